package latencymonitor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// Both say the same, so that each backend of the program is one of the library.
var (
	_ exporter.Backend = Backend(nil)
	_ Backend          = exporter.Backend(nil)
)

// recorder is a backend that counts.
type recorder struct {
	fail func(points []Point) error // nil: never

	mu     sync.Mutex
	points int
	closes int
}

func (r *recorder) Name() string { return "recorder" }

func (r *recorder) Publish(_ context.Context, points []Point) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail(points); err != nil {
			return err
		}
	}
	r.points += len(points)
	return nil
}

func (r *recorder) Flush(context.Context) error { return nil }

func (r *recorder) Close(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closes++
	return nil
}

func (r *recorder) published() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return uint64(r.points)
}

func (r *recorder) closed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closes
}

// measuringItself starts a Monitor that probes itself, with a backend.
func measuringItself(t *testing.T, b Backend, buffer int) *Monitor {
	t.Helper()
	m := opened(t, "m", Engine{})
	m.metrics.capacity = buffer
	must(t, m.AddBackend(b, Pacing{}))
	_, err := m.AddTarget(toward(m, UDP))
	must(t, err)
	return m
}

func TestBackendGetsEveryPoint(t *testing.T) {
	b := &recorder{}
	m := measuringItself(t, b, 1<<16)
	got := listen(m)
	started(t, m)
	waittest.Until(t, "500 points", func() bool { return b.published() >= 500 })
	must(t, m.Close())
	<-got.ended
	s := m.Stats()
	if s.MetricsSent != b.published() || s.MetricsDropped != 0 {
		t.Errorf("%d metrics sent and %d dropped, want the %d of the backend", s.MetricsSent, s.MetricsDropped, b.published())
	}
	if want := (BackendStats{Name: "recorder", Sent: b.published()}); !reflect.DeepEqual(s.Backends, []BackendStats{want}) {
		t.Errorf("backends are %+v, want %+v", s.Backends, want)
	}
	if b.closed() != 1 {
		t.Errorf("closed %d times, want once", b.closed())
	}
}

func TestFullChannelDropsAndCounts(t *testing.T) {
	b := &recorder{}
	m := measuringItself(t, b, 8)
	points := m.Metrics()
	started(t, m)
	waittest.Until(t, "500 points", func() bool { return b.published() >= 500 })
	must(t, m.Close())
	s := m.Stats()
	if s.MetricsSent != 8 || s.MetricsSent+s.MetricsDropped != b.published() {
		t.Errorf("%d metrics sent and %d dropped, want 8, and in all the %d of the backend", s.MetricsSent, s.MetricsDropped, b.published())
	}
	n := 0
	for range points {
		n++
	}
	if n != 8 {
		t.Errorf("%d metrics in the channel, want 8", n)
	}
}

// Probes that were lost together fill the channel, and the rest of them is counted.
func TestLossesThatDoNotFitAreCounted(t *testing.T) {
	f := feed{capacity: 2}
	if f.take(Point{Series: &Series{}}, 5) {
		t.Error("asks for more when nobody reads")
	}
	f.open()
	left := int64(5)
	for f.take(Point{Series: &Series{}}, left) {
		left--
	}
	if sent, dropped := f.counts(); sent != 2 || dropped != 3 {
		t.Errorf("%d sent, %d dropped, want 2 and 3", sent, dropped)
	}
}

func TestNobodyAsksForMetrics(t *testing.T) {
	b := &recorder{}
	m := measuringItself(t, b, 8)
	started(t, m)
	waittest.Until(t, "50 points", func() bool { return b.published() >= 50 })
	if s := m.Stats(); s.MetricsSent != 0 || s.MetricsDropped != 0 {
		t.Errorf("%d metrics sent and %d dropped, want none", s.MetricsSent, s.MetricsDropped)
	}
}

func TestBackendWhoseOtherEndIsGoneEndsTheMonitor(t *testing.T) {
	b := &recorder{fail: func([]Point) error { return fmt.Errorf("pipe: %w", ErrBackendClosed) }}
	m := measuringItself(t, b, 8)
	started(t, m)
	<-m.Done()
	if err := m.Err(); !errors.Is(err, ErrBackendClosed) {
		t.Errorf("Err = %v, want ErrBackendClosed", err)
	}
	if err := m.Close(); !errors.Is(err, ErrBackendClosed) {
		t.Errorf("Close = %v, want ErrBackendClosed", err)
	}
	if b.closed() != 1 {
		t.Errorf("closed %d times, want once", b.closed())
	}
}

func TestBackendThatFailsCostsItsPoints(t *testing.T) {
	b := &recorder{}
	refusals, failures := uint64(0), uint64(0)
	calls := 0
	b.fail = func(points []Point) error {
		switch calls++; calls {
		case 1:
			return &UnavailableError{Err: errors.New("away")}
		case 3:
			refusals++
			b.points += len(points) - 1
			return &RejectedError{Err: errors.New("bad point"), Points: 1}
		case 4:
			failures += uint64(len(points))
			return errors.New("broken")
		}
		return nil
	}
	m := measuringItself(t, b, 8)
	started(t, m)
	waittest.Until(t, "500 points", func() bool { return b.published() >= 500 })
	must(t, m.Close())
	got := m.Stats().Backends[0]
	want := BackendStats{Name: "recorder", Retries: 1, Sent: b.published(), Failed: refusals + failures}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("backend is %+v, want %+v", got, want)
	}
	if lost := m.count("export_dropped"); lost != want.Failed {
		t.Errorf("export_dropped = %d, want %d", lost, want.Failed)
	}
}

func TestBackendsHaveNamesOfTheirOwn(t *testing.T) {
	m := opened(t, "m", Engine{})
	must(t, m.AddBackend(&recorder{}, Pacing{}))
	if err := m.AddBackend(&recorder{}, Pacing{}); err == nil || !strings.Contains(err.Error(), `backend "recorder"`) {
		t.Errorf("AddBackend = %v, want an error that names the backend", err)
	}
}
