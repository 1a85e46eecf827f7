package exportertest

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// Series is the series of metric m from source to target, as an exporter makes it. That of a metric of
// the host has source at both ends, and no tags.
func Series(m measurement.Metric, source, target string, own []string) *exporter.Series {
	r, err := ring.New(1)
	if err != nil {
		panic(fmt.Sprintf("ring.New: %v", err))
	}
	var caught catcher
	e := exporter.New(exporter.Config{Name: source, Log: zerolog.Nop()})
	e.AddRing(r)
	e.AddBackend(&caught, exporter.Pacing{})
	session := measurement.Session{ID: 1, Source: source, Target: target, Tags: own}
	if err := e.AddSession(session); err != nil {
		panic(fmt.Sprintf("AddSession: %v", err))
	}
	sample := measurement.Sample{Session: 1, Kind: measurement.KindMetric, Metric: m, Value: 1}
	if m == measurement.HostClockError {
		sample.Session = 0
	}
	r.Push(&sample)
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // Run drains nevertheless
	if err := e.Run(ctx); err != nil || caught.series == nil {
		panic(fmt.Sprintf("Run = %v, and gave the series %v", err, caught.series))
	}
	return caught.series
}

// catcher is a backend that keeps the series of the last point.
type catcher struct{ series *exporter.Series }

func (c *catcher) Name() string { return "catcher" }

func (c *catcher) Publish(_ context.Context, points []exporter.Point) error {
	c.series = points[len(points)-1].Series
	return nil
}

func (c *catcher) Flush(context.Context) error { return nil }

func (c *catcher) Close(context.Context) error { return nil }
