package exportertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// loadValue is the value of all points of Load.
const loadValue = int64(time.Millisecond)

// Load runs an exporter with one backend and 1000 points a second of each of so many series, until do
// returns, and then ends it. It returns all points and what the exporter says became of them.
func Load(t *testing.T, b exporter.Backend, p exporter.Pacing, series int, do func(counters func() exporter.BackendCounters)) ([]exporter.Point, exporter.BackendCounters) {
	t.Helper()
	r, err := ring.New(1 << 16)
	must(t, "ring.New", err)
	e := exporter.New(exporter.Config{Log: zerolog.Nop()})
	e.AddRing(r)
	e.AddBackend(b, p)
	var all []*exporter.Series
	for i := range series {
		s := measurement.Session{ID: measurement.SessionID(i + 1), Source: "a", Target: fmt.Sprint("load-", i)}
		must(t, "AddSession", e.AddSession(s))
		all = append(all, Series(measurement.UDPRTT, s.Source, s.Target, nil))
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	running := make(chan error, 1)
	go func() { running <- e.Run(ctx) }()
	over, produced := make(chan struct{}), make(chan []exporter.Point)
	go func() { produced <- produce(t, r, all, over) }()

	do(func() exporter.BackendCounters { return e.Counters().Backends[0] })
	close(over)
	points := <-produced
	stop()
	if err := <-running; err != nil {
		t.Errorf("Run = %v", err)
	}
	return points, e.Counters().Backends[0]
}

// produce makes up for ticks that it missed.
func produce(t *testing.T, r *ring.SPSC, all []*exporter.Series, over <-chan struct{}) (points []exporter.Point) {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	began, ticks := time.Now(), 0
	for {
		select {
		case <-over:
			return points
		case <-ticker.C:
		}
		for ; ticks < int(time.Since(began).Milliseconds()); ticks++ {
			for i, s := range all {
				point := exporter.Point{Series: s, Time: time.Now().UnixNano(), Value: loadValue}
				points = append(points, point)
				if !r.Push(&measurement.Sample{
					Session: measurement.SessionID(i + 1), Kind: measurement.KindMetric, Metric: s.Metric,
					Time: point.Time, Value: point.Value,
				}) {
					t.Error("the ring is full")
				}
			}
		}
	}
}
