package exporter_test

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

const at int64 = 1768219134587069267

// backend is a fake: it keeps what it gets, and each method may be replaced.
type backend struct {
	name    string
	publish func(ctx context.Context, points []exporter.Point) error
	flush   func(ctx context.Context) error

	mu      sync.Mutex
	points  []exporter.Point
	flushes int
	closes  int
}

func (b *backend) Name() string { return b.name }

func (b *backend) Publish(ctx context.Context, points []exporter.Point) error {
	if b.publish != nil {
		if err := b.publish(ctx, points); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.points = append(b.points, points...)
	return nil
}

func (b *backend) Flush(ctx context.Context) error {
	b.mu.Lock()
	b.flushes++
	b.mu.Unlock()
	if b.flush != nil {
		return b.flush(ctx)
	}
	return nil
}

func (b *backend) Close(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closes++
	return nil
}

// got is what arrived so far.
func (b *backend) got() []exporter.Point {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.points
}

func newRing(t testing.TB, capacity int) *ring.SPSC {
	t.Helper()
	r, err := ring.New(capacity)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func push(t testing.TB, r *ring.SPSC, samples ...measurement.Sample) {
	t.Helper()
	for i := range samples {
		if !r.Push(&samples[i]) {
			t.Fatalf("ring of %d is full", r.Cap())
		}
	}
}

func metric(id measurement.SessionID, m measurement.Metric, value int64) measurement.Sample {
	return measurement.Sample{Session: id, Kind: measurement.KindMetric, Metric: m, Time: at, Value: value}
}

// announce pushes a reflected session's identity.
func announce(t testing.TB, r *ring.SPSC, id measurement.SessionID, identity string) {
	t.Helper()
	for i := range measurement.NamePieces(len(identity)) {
		push(t, r, measurement.NamePiece(id, measurement.UDP, []byte(identity), i))
	}
}

func addSession(t testing.TB, e *exporter.Exporter, s measurement.Session) {
	t.Helper()
	if err := e.AddSession(s); err != nil {
		t.Fatal(err)
	}
}

// start runs e until stop is called, which returns what Run did.
func start(e *exporter.Exporter) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- e.Run(ctx) }()
	return func() error { cancel(); return <-result }
}

// runOnce drains what is in the rings and delivers it.
func runOnce(t testing.TB, e *exporter.Exporter) {
	t.Helper()
	if err := start(e)(); err != nil {
		t.Fatalf("Run = %v, want nil", err)
	}
}

// logBuffer collects a log that several goroutines write.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) logger() zerolog.Logger { return zerolog.New(l) }
