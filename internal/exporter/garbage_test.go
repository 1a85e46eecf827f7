package exporter_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// sampleOf reads a record as it might lie in shared memory that another process spoiled.
func sampleOf(b []byte) (s measurement.Sample) {
	b = append(b, make([]byte, measurement.SampleSize)...)
	word := func(i int) int64 { return int64(binary.LittleEndian.Uint64(b[8+8*i:])) }
	return measurement.Sample{
		Session: measurement.SessionID(binary.LittleEndian.Uint32(b)), Kind: measurement.Kind(b[4]), Metric: measurement.Metric(b[5]),
		Sent: measurement.TimestampSource(b[6]), Received: measurement.TimestampSource(b[7]),
		Seq: uint64(word(0)), Time: word(1), Value: word(2), T1: word(3), T2: word(4), T3: word(5), T4: word(6),
	}
}

// exportGarbage exports records and checks that each was counted somewhere at most once.
func exportGarbage(t *testing.T, capacity int, samples []measurement.Sample) {
	t.Helper()
	r := newRing(t, capacity)
	b := &backend{name: "fake"}
	e := exporter.New(exporter.Config{Name: "us", MaxReflected: 16})
	e.AddRing(r)
	e.AddBackend(b, exporter.Pacing{Buffer: 1000})
	addSession(t, e, measurement.Session{ID: 1, Source: "us", Target: "foo"})
	push(t, r, samples...)
	e.Drain()
	c := e.Counters()
	if c.Unresolved+c.Invalid > uint64(len(samples)) {
		t.Errorf("counters = %+v for %d records", c, len(samples))
	}
	if len(c.Backends) != 1 || c.Backends[0].Sent+c.Backends[0].Failed != 0 {
		t.Errorf("backend's counters = %+v, want nothing sent yet", c.Backends)
	}
	if c.Backends[0].Queued > 11_000_000 {
		t.Errorf("%d points are queued", c.Backends[0].Queued)
	}
}

func TestGarbageIsSurvived(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	samples := make([]measurement.Sample, 60_000)
	for i := range samples {
		b := make([]byte, measurement.SampleSize)
		for k := range b {
			b[k] = byte(rng.Uint32())
		}
		samples[i] = sampleOf(b)
		// Most of it should get past the first check.
		if rng.IntN(4) > 0 {
			samples[i].Kind = measurement.Kind(rng.IntN(6))
			samples[i].Metric = measurement.Metric(rng.IntN(int(measurement.HostClockError) + 2))
			samples[i].Session &= 1<<31 | 3
		}
		if rng.IntN(2) > 0 {
			samples[i].Seq &= 0x1fff_0000_00ff
		}
		if rng.IntN(4) == 0 {
			samples[i].Value &= 0xf
		}
	}
	exportGarbage(t, 65536, samples)
}

func TestLengthsThatDoNotFitAreSurvived(t *testing.T) {
	var samples []measurement.Sample
	for _, total := range []uint64{0, 1, 40, 41, measurement.MaxIdentity, measurement.MaxIdentity + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		for _, piece := range []uint64{0, 1, 2, 1 << 31, 1<<32 - 1} {
			samples = append(samples, measurement.Sample{Session: reflectedID, Kind: measurement.KindName, Seq: total<<32 | piece})
		}
	}
	exportGarbage(t, 1024, samples)
}

func TestEventsOfGarbageAreLinesOfText(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	details := []int64{0, 1, -1, 1 << 8, 1<<16 - 1, math.MinInt64, math.MaxInt64}
	for range 1000 {
		details = append(details, int64(rng.Uint64()))
	}
	for kind := range measurement.Event(20) {
		for _, session := range []*measurement.Session{nil, {Target: "foo\nbar", Transport: 200}} {
			for _, detail := range details {
				e := exporter.Event{Session: session, Kind: kind, Detail: detail}
				if text := e.String(); text == "" || strings.ContainsAny(text, "\n\x00") {
					t.Fatalf("%+v says %q, want a line of text", e, text)
				}
			}
		}
	}
}

func FuzzRecords(f *testing.F) {
	seed := func(s measurement.Sample) {
		b := binary.LittleEndian.AppendUint32(nil, uint32(s.Session))
		b = append(b, byte(s.Kind), byte(s.Metric), byte(s.Sent), byte(s.Received))
		for _, v := range []int64{int64(s.Seq), s.Time, s.Value, s.T1, s.T2, s.T3, s.T4} {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
		f.Add(b)
	}
	seed(metric(1, measurement.UDPRTT, 7))
	seed(metric(1, measurement.UDPLoss, 1<<40))
	seed(measurement.NamePiece(reflectedID, measurement.UDP, []byte("them|['a']"), 0))
	seed(measurement.NewEvent(1, at, measurement.EventUnreachable, 111))
	seed(measurement.Sample{Session: reflectedID, Kind: measurement.KindEnd})
	seed(metric(0, measurement.HostClockError, 1_000_000))
	seed(metric(1, measurement.UDPLossBackward, 3))
	seed(measurement.NewEvent(1, at, measurement.EventRemarked, 46<<10))
	seed(measurement.NewEvent(0, at, measurement.EventClockError, -1))
	f.Fuzz(func(t *testing.T, b []byte) {
		var samples []measurement.Sample
		for ; len(b) > 0 && len(samples) < 1000; b = b[min(len(b), measurement.SampleSize):] {
			samples = append(samples, sampleOf(b[:min(len(b), measurement.SampleSize):min(len(b), measurement.SampleSize)]))
		}
		exportGarbage(t, 1024, samples)
	})
}
