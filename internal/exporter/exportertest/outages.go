package exportertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// outages are the tests of backends that have a server.
var outages = []struct {
	name string
	test func(t *testing.T, s Subject)
}{
	{"delivers once what was published before, during and after an outage", deliversAfterOutage},
	{"says that it is unavailable when its server is away from the start", isUnavailableAtStart},
	{"returns when its context is done and its server does not answer", returnsFromStall},
	{"closes while its server is away", closesDuringOutage},
	{"loses only what it counts when its server is away for long", countsWhatOverflows},
}

// deliver publishes and flushes, until both work.
func deliver(t *testing.T, b exporter.Backend, points []exporter.Point) {
	t.Helper()
	insist(t, func() error { return b.Publish(context.Background(), points) })
	insist(t, func() error { return b.Flush(context.Background()) })
}

// insist does what the exporter does with a backend that is unavailable.
func insist(t *testing.T, try func() error) {
	t.Helper()
	const often = 50
	for range often {
		err := try()
		if err == nil {
			return
		}
		if _, ok := errors.AsType[*exporter.UnavailableError](err); !ok {
			t.Fatalf("error %v, want an UnavailableError", err)
		}
		time.Sleep(100 * time.Millisecond) // the server is another process
	}
	t.Fatal("still unavailable")
}

// tryDuringOutage publishes and flushes once, and returns the first error.
func tryDuringOutage(t *testing.T, b exporter.Backend, points []exporter.Point) {
	t.Helper()
	err := b.Publish(context.Background(), points)
	if err == nil {
		err = b.Flush(context.Background())
	}
	if _, ok := errors.AsType[*exporter.UnavailableError](err); !ok {
		t.Fatalf("error %v, want an UnavailableError", err)
	}
}

func deliversAfterOutage(t *testing.T, s Subject) {
	points := Points(300)
	deliver(t, s.Backend, points[:100])
	s.Outage.Break()
	tryDuringOutage(t, s.Backend, points[100:200])
	tryDuringOutage(t, s.Backend, points[100:200])
	s.Outage.Mend()
	deliver(t, s.Backend, points[100:200])
	deliver(t, s.Backend, points[200:])
	must(t, "Close", s.Backend.Close(context.Background()))
	compare(t, s.Received(len(points)), points)
}

func isUnavailableAtStart(t *testing.T, s Subject) {
	points := Points(20)
	s.Outage.Break()
	tryDuringOutage(t, s.Backend, points)
	s.Outage.Mend()
	deliver(t, s.Backend, points)
	must(t, "Close", s.Backend.Close(context.Background()))
	compare(t, s.Received(len(points)), points)
}

func returnsFromStall(t *testing.T, s Subject) {
	s.Outage.Stall()
	defer s.Outage.Mend()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		_ = s.Backend.Publish(ctx, Points(1))
		_ = s.Backend.Flush(ctx)
		_ = s.Backend.Close(ctx)
	}()
	select {
	case <-returned:
	case <-time.After(10 * time.Second):
		t.Error("Publish, Flush and Close take more than 9 s after their context is done")
	}
}

func closesDuringOutage(t *testing.T, s Subject) {
	deliver(t, s.Backend, Points(1))
	s.Outage.Break()
	defer s.Outage.Mend()
	if err := s.Backend.Close(context.Background()); err != nil {
		t.Errorf("Close = %v, want nil: everything was delivered", err)
	}
}

// countsWhatOverflows: what arrived, dropped and failed is together what was produced.
func countsWhatOverflows(t *testing.T, s Subject) {
	const n, buffer = 20_000, 5000
	r, err := ring.New(1 << 15)
	must(t, "ring.New", err)
	e := exporter.New(exporter.Config{Log: zerolog.Nop()})
	e.AddRing(r)
	e.AddBackend(s.Backend, exporter.Pacing{Buffer: buffer})
	must(t, "AddSession", e.AddSession(measurement.Session{ID: 1, Source: "a", Target: "b"}))
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()

	s.Outage.Break()
	now := time.Now().UnixNano()
	for i := range n {
		r.Push(&measurement.Sample{
			Session: 1, Kind: measurement.KindMetric, Metric: measurement.UDPRTT,
			Time: now + int64(i), Value: int64(i),
		})
	}
	settled(t, "points dropped", func() bool { return e.Counters().Backends[0].Dropped > 0 })
	s.Outage.Mend()
	settled(t, "nothing queued", func() bool { return e.Counters().Backends[0].Queued == 0 })
	end()
	must(t, "Run", <-ended)

	c := e.Counters().Backends[0]
	if c.Sent+c.Dropped+c.Failed != n || c.Failed != 0 || c.Sent < buffer {
		t.Errorf("counters = %+v, want at least %d sent and all others dropped, %d together", c, buffer, n)
	}
	got := s.Received(int(c.Sent))
	if uint64(len(got)) != c.Sent {
		t.Errorf("%d points arrived, and %d were counted as sent", len(got), c.Sent)
	}
	if last := got[len(got)-1].Value; last != n-1 {
		t.Errorf("the last point that arrived has value %d, want %d: the newest are kept", last, n-1)
	}
}

// settled waits until a condition holds, but not forever.
func settled(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s in 60 s", what)
		}
	}
}
