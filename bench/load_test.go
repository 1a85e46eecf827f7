package bench

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/cli"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// encoding is a backend that makes JSON of each point and throws it away.
type encoding struct{}

func (encoding) Name() string { return "encoding" }

func (encoding) Publish(_ context.Context, points []exporter.Point) error {
	for _, p := range points {
		_, err := json.Marshal(map[string]any{"metric": p.Series.Name, "tags": p.Series.Tags, "points": [][2]int64{{p.Time, p.Value}}})
		if err != nil {
			return err
		}
	}
	return nil
}

func (encoding) Flush(context.Context) error { return nil }
func (encoding) Close(context.Context) error { return nil }

// fullLoad keeps an exporter at work until the returned function is called: on a ring that is always
// full, with two backends, the output and one that encodes each point by reflection, as a client
// library would.
func fullLoad(b *testing.B) (stop func()) {
	b.Helper()
	const id measurement.SessionID = 1
	r, err := ring.New(1 << 16)
	if err != nil {
		b.Fatal(err)
	}
	e := exporter.New(exporter.Config{Name: "bench", FlushLimit: time.Second})
	e.AddRing(r)
	e.AddBackend(cli.New(io.Discard, cli.JSON), exporter.Pacing{})
	e.AddBackend(encoding{}, exporter.Pacing{})
	if err := e.AddSession(measurement.Session{ID: id, Source: "bench", Target: "bench"}); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = e.Run(ctx) })
	running.Go(func() {
		s := measurement.Sample{Session: id, Kind: measurement.KindMetric, Metric: measurement.UDPRTT, Time: 1795375380625056238}
		for ctx.Err() == nil {
			for r.Push(&s) {
				s.Value++
			}
			time.Sleep(time.Millisecond) // as often as the exporter polls a ring that is full
		}
	})
	return func() { cancel(); running.Wait() }
}
