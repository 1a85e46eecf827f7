package exportertest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// Summing is one new backend under test that does not publish points, but what they add up to.
type Summing struct {
	Backend exporter.Backend
	// Received gives how many points of each series have arrived so far, by SeriesKey.
	Received func() map[string]int
}

// RunSums is Run for backends that sum points up.
func RunSums(t *testing.T, open func(t *testing.T) Summing) {
	alike := []struct {
		name string
		test func(t *testing.T, s Subject)
	}{
		{"has a name", hasName},
		{"can be closed twice and refuses what comes after", closesTwice},
		{"returns when its context is done", returnsWhenDone},
	}
	for _, tt := range alike {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, Subject{Backend: open(t).Backend}) })
	}
	tests := []struct {
		name string
		test func(t *testing.T, s Summing)
	}{
		{"counts each point once on Flush", sumsOnFlush},
		{"counts on Close what was not flushed", sumsOnClose},
		{"keeps no reference to the caller's slice", sumsKeepNoSlice},
		{"has nothing to do for a Flush of nothing", sumsNothing},
		{"counts each sample of a ring once", sumsFromRing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

// SeriesKey names a series by its metric and tags.
func SeriesKey(metric string, tags []string) string {
	return metric + " " + strings.Join(tags, "|")
}

func countBySeries(points []exporter.Point) map[string]int {
	counts := map[string]int{}
	for _, p := range points {
		counts[SeriesKey(p.Series.Name, p.Series.Tags)]++
	}
	return counts
}

func sumsOnFlush(t *testing.T, s Summing) {
	points := Points(2000)
	var sofar []exporter.Point
	for part := range slices.Chunk(points, 300) {
		publish(t, s.Backend, part)
		sofar = append(sofar, part...)
		if len(sofar)%900 == 0 { // the points before and after are of the same time
			must(t, "Flush", s.Backend.Flush(context.Background()))
			compareSums(t, s, sofar)
		}
	}
	must(t, "Flush", s.Backend.Flush(context.Background()))
	compareSums(t, s, points)
	must(t, "Close", s.Backend.Close(context.Background()))
	compareSums(t, s, points)
}

func sumsOnClose(t *testing.T, s Summing) {
	points := Points(10)
	publish(t, s.Backend, points)
	must(t, "Close", s.Backend.Close(context.Background()))
	compareSums(t, s, points)
}

func sumsKeepNoSlice(t *testing.T, s Summing) {
	points := Points(50)
	lent := slices.Clone(points)
	publish(t, s.Backend, lent)
	for i := range lent {
		lent[i] = exporter.Point{Series: points[0].Series, Time: 7, Value: 7}
	}
	must(t, "Close", s.Backend.Close(context.Background()))
	compareSums(t, s, points)
}

func sumsNothing(t *testing.T, s Summing) {
	must(t, "Flush", s.Backend.Flush(context.Background()))
	must(t, "Close", s.Backend.Close(context.Background()))
	compareSums(t, s, nil)
}

func sumsFromRing(t *testing.T, s Summing) {
	const n = 5000
	r, err := ring.New(8192)
	must(t, "ring.New", err)
	e := exporter.New(exporter.Config{Log: zerolog.Nop()})
	e.AddRing(r)
	e.AddBackend(s.Backend, exporter.Pacing{})
	must(t, "AddSession", e.AddSession(measurement.Session{ID: 1, Source: "a", Target: "b"}))
	for i := range n {
		r.Push(&measurement.Sample{
			Session: 1, Kind: measurement.KindMetric, Metric: measurement.UDPRTT,
			Time: 1768219134587069267, Value: int64(i),
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // Run drains nevertheless
	must(t, "Run", e.Run(ctx))
	want := map[string]int{SeriesKey("udp.wan.rtt", []string{"source:a", "target:b"}): n}
	if got := s.Received(); !maps.Equal(got, want) {
		t.Errorf("arrived: %v, want %v", got, want)
	}
	if c := e.Counters(); c.Lost() != 0 || c.Backends[0].Sent != n {
		t.Errorf("Counters() = %+v, want %d sent and nothing lost", c, n)
	}
}

func compareSums(t *testing.T, s Summing, points []exporter.Point) {
	t.Helper()
	if got, want := s.Received(), countBySeries(points); !maps.Equal(got, want) {
		t.Fatalf("arrived: %v, want %v", got, want)
	}
}
