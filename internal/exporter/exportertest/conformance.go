// Package exportertest tests what every backend must do, whatever it publishes to.
package exportertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// Got is one point as it arrived at the other end.
type Got struct {
	Metric string
	Tags   []string
	Time   int64
	Value  int64
}

// Subject is one new backend under test.
type Subject struct {
	Backend exporter.Backend
	// Received gives all points that arrived so far, in the order of arrival. It waits for n of them,
	// but not forever. It is nil for a backend that sums up, which has Summed instead.
	Received func(n int) []Got
	// Summed gives what of a series arrived so far.
	Summed func(s *exporter.Series) Sum
	// Outage is nil where there is no server that could be away, and for a backend that sums up.
	Outage *Outage
}

// Sum is how many points of a series there are, and the sum of their values in seconds. If they are lost
// probes, the latter is 0.
type Sum struct {
	Count   uint64
	Seconds float64
}

// Outage is what may happen to the server of a backend.
type Outage struct {
	Break func() // it goes away: its address refuses connections
	Stall func() // it still accepts connections, and does not answer
	Mend  func() // it is there again, with what it received before
}

// Run tests the backends that open makes, a new one with an empty other end at each call.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	tests := []struct {
		name string
		test func(t *testing.T, s Subject)
	}{
		{"has a name", hasName},
		{"delivers each point once, in order, on Flush", deliversOnFlush},
		{"delivers on Close what was not flushed", deliversOnClose},
		{"keeps no reference to the caller's slice", keepsNoSlice},
		{"has nothing to do for a Flush of nothing", flushesNothing},
		{"can be closed twice and refuses what comes after", closesTwice},
		{"returns when its context is done", returnsWhenDone},
		{"delivers each sample of a ring once", deliversFromRing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
	for _, tt := range outages {
		t.Run(tt.name, func(t *testing.T) {
			if s := open(t); s.Outage != nil {
				tt.test(t, s)
			}
		})
	}
}

// ParseLine reads a line of JSON as Point.AppendJSON makes it.
func ParseLine(line []byte) (Got, error) {
	var in struct {
		Metric string
		Points [][2]int64
		Tags   []string
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return Got{}, fmt.Errorf("line %q: %w", line, err)
	}
	if len(in.Points) != 1 {
		return Got{}, fmt.Errorf("line %q: %d points, want 1", line, len(in.Points))
	}
	return Got{Metric: in.Metric, Tags: in.Tags, Time: in.Points[0][0], Value: in.Points[0][1]}, nil
}

// Points makes n points of several series, with values at the edges among them.
func Points(n int) []exporter.Point {
	series := []*exporter.Series{
		Series(measurement.UDPOWD, "a", "b", []string{"isp:local"}),
		Series(measurement.UDPOWD, "a", "c", nil),
		Series(measurement.TCPLatency, `quo"te`, "žluťoučký 🐎", []string{"a:'b'", "tab\tnewline\n"}),
		Series(measurement.UDPLoss, "a", "b", []string{"isp:local"}),
	}
	values := []int64{282072, 0, -1, 1, math.MaxInt64, math.MinInt64}
	points := make([]exporter.Point, n)
	for i := range points {
		points[i] = exporter.Point{
			Series: series[i%len(series)],
			Time:   1768219134587069267 + int64(i),
			Value:  values[i%len(values)],
		}
		if points[i].Series.Metric.Loss() {
			points[i].Value = 1
		}
	}
	return points
}

func hasName(t *testing.T, s Subject) {
	defer s.Backend.Close(context.Background())
	if name := s.Backend.Name(); name == "" || name != s.Backend.Name() {
		t.Errorf("Name() = %q, then %q, want the same text twice", name, s.Backend.Name())
	}
}

func deliversOnFlush(t *testing.T, s Subject) {
	points := Points(2000)
	for part := range slices.Chunk(points, 300) {
		publish(t, s.Backend, part)
	}
	must(t, "Flush", s.Backend.Flush(context.Background()))
	s.compare(t, points)
	must(t, "Close", s.Backend.Close(context.Background()))
	s.compare(t, points)
}

func deliversOnClose(t *testing.T, s Subject) {
	points := Points(10)
	publish(t, s.Backend, points)
	must(t, "Close", s.Backend.Close(context.Background()))
	s.compare(t, points)
}

func keepsNoSlice(t *testing.T, s Subject) {
	points := Points(50)
	lent := slices.Clone(points)
	publish(t, s.Backend, lent)
	for i := range lent {
		lent[i] = exporter.Point{Series: points[0].Series, Time: 7, Value: 7}
	}
	must(t, "Close", s.Backend.Close(context.Background()))
	s.compare(t, points)
}

func flushesNothing(t *testing.T, s Subject) {
	must(t, "Flush", s.Backend.Flush(context.Background()))
	must(t, "Close", s.Backend.Close(context.Background()))
	s.compare(t, nil)
}

func closesTwice(t *testing.T, s Subject) {
	ctx := context.Background()
	must(t, "Close", s.Backend.Close(ctx))
	must(t, "second Close", s.Backend.Close(ctx))
	if err := s.Backend.Publish(ctx, Points(1)); !errors.Is(err, exporter.ErrClosed) {
		t.Errorf("Publish after Close = %v, want ErrClosed", err)
	}
	if err := s.Backend.Flush(ctx); !errors.Is(err, exporter.ErrClosed) {
		t.Errorf("Flush after Close = %v, want ErrClosed", err)
	}
}

// returnsWhenDone is about returning; whether it delivers is the backend's choice.
func returnsWhenDone(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Backend.Publish(ctx, Points(1))
	_ = s.Backend.Flush(ctx)
	_ = s.Backend.Close(ctx)
}

func deliversFromRing(t *testing.T, s Subject) {
	const n = 5000
	r, err := ring.New(8192)
	must(t, "ring.New", err)
	e := exporter.New(exporter.Config{Log: zerolog.Nop()})
	e.AddRing(r)
	e.AddBackend(s.Backend, exporter.Pacing{})
	must(t, "AddSession", e.AddSession(measurement.Session{ID: 1, Source: "a", Target: "b"}))
	const at = 1768219134587069267
	series := Series(measurement.UDPRTT, "a", "b", nil)
	var want []exporter.Point
	for i := range int64(n) {
		r.Push(&measurement.Sample{
			Session: 1, Kind: measurement.KindMetric, Metric: measurement.UDPRTT, Time: at, Value: i,
		})
		want = append(want, exporter.Point{Series: series, Time: at, Value: i})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // Run drains nevertheless
	must(t, "Run", e.Run(ctx))

	s.compare(t, want)
	if c := e.Counters(); c.Lost() != 0 || c.Backends[0].Sent != n {
		t.Errorf("Counters() = %+v, want %d sent and nothing lost", c, n)
	}
}

func publish(t *testing.T, b exporter.Backend, points []exporter.Point) {
	t.Helper()
	must(t, "Publish", b.Publish(context.Background(), points))
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (s Subject) compare(t *testing.T, want []exporter.Point) {
	t.Helper()
	if s.Received != nil {
		compare(t, s.Received(len(want)), want)
		return
	}
	CompareSums(t, s.Summed, want)
}

// CompareSums checks that what arrived of each series is what the points of that series add up to. Rounding
// may differ.
func CompareSums(t *testing.T, summed func(s *exporter.Series) Sum, want []exporter.Point) {
	t.Helper()
	sums, largest := map[*exporter.Series]Sum{}, map[*exporter.Series]float64{}
	for _, p := range want {
		sum, seconds := sums[p.Series], float64(p.Value)/1e9
		sum.Count++
		if !p.Series.Metric.Loss() {
			sum.Seconds += seconds
			largest[p.Series] = max(largest[p.Series], math.Abs(seconds))
		}
		sums[p.Series] = sum
	}
	for series, sum := range sums {
		got := summed(series)
		if got.Count != sum.Count || math.Abs(got.Seconds-sum.Seconds) > 1e-9*largest[series]*float64(sum.Count) {
			t.Errorf("%s %q arrived as %+v, want %+v", series.Name, series.Tags, got, sum)
		}
	}
}

func compare(t *testing.T, got []Got, want []exporter.Point) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d points arrived, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		if g.Metric != w.Series.Name || g.Time != w.Time || g.Value != w.Value ||
			!slices.Equal(g.Tags, w.Series.Tags) {
			t.Fatalf("point %d arrived as %+v, want %s %v at %d, tags %q",
				i, g, w.Series.Name, w.Value, w.Time, w.Series.Tags)
		}
	}
}
