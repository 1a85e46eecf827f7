package latencymonitor

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// broken is an engine that fails when it is told to.
type broken struct {
	start   error
	failed  chan error
	stopped int
}

func (b *broken) Start() error               { return b.start }
func (*broken) Add(measurement.Session)      {}
func (*broken) Remove(measurement.SessionID) {}
func (*broken) Drain() <-chan struct{}       { return nil }
func (b *broken) Failed() <-chan error       { return b.failed }
func (b *broken) Stop()                      { b.stopped++ }
func (*broken) Mode() engine.Mode            { return engine.Portable }
func (*broken) Totals() selfstats.Totals     { return selfstats.Totals{} }

// withEngine makes a Monitor with another engine, and with a log.
func withEngine(t *testing.T, e measurer, b Backend) (m *Monitor, log *bytes.Buffer) {
	t.Helper()
	log = new(bytes.Buffer)
	m, err := New(Options{Name: "m", Logger: slog.New(slog.NewTextHandler(log, nil))})
	must(t, err)
	must(t, m.AddBackend(b, Pacing{}))
	own, _ := m.measuring.current()
	own.Stop()
	m.measuring.use(e, false)
	return m, log
}

func TestEngineThatFailsEndsTheMonitor(t *testing.T) {
	e, b := &broken{failed: make(chan error, 1)}, &recorder{}
	m, log := withEngine(t, e, b)
	points := m.Metrics()
	started(t, m)
	why := errors.New("sender loop: out of luck")
	e.failed <- why
	<-m.Done()
	if err := m.Close(); !errors.Is(err, why) || !errors.Is(m.Err(), why) {
		t.Errorf("Close = %v, Err = %v, want %v", err, m.Err(), why)
	}
	if _, open := <-points; open || b.closed() != 1 || e.stopped == 0 {
		t.Errorf("channel open %v, backend closed %d times, engine stopped %d times", open, b.closed(), e.stopped)
	}
	told := strings.Index(log.String(), `level=ERROR+4 msg="sender loop: out of luck"`)
	if counters := strings.Index(log.String(), "msg=counters"); told < 0 || counters < told {
		t.Errorf("log is\n%swant the failure, and then the counters", log)
	}
}

func TestEngineThatDoesNotStartClosesTheMonitor(t *testing.T) {
	e, b := &broken{start: errors.New("no engine process"), failed: make(chan error)}, &recorder{}
	m, _ := withEngine(t, e, b)
	_, err := m.AddUDPTarget("127.0.0.1")
	must(t, err)
	if err := m.Start(t.Context()); !errors.Is(err, e.start) {
		t.Errorf("Start = %v, want %v", err, e.start)
	}
	<-m.Done()
	must(t, m.Close())
	if b.closed() != 1 || e.stopped == 0 {
		t.Errorf("backend closed %d times, engine stopped %d times", b.closed(), e.stopped)
	}
}
