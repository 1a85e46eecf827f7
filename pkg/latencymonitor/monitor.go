package latencymonitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/resolver"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

var (
	// ErrClosed is the error of methods of a Monitor that was closed, or has ended.
	ErrClosed = errors.New("monitor is closed")
	// ErrStarted is the error of what must be done before Start.
	ErrStarted = errors.New("monitor is started already")
)

// Monitor probes targets, answers others' probes and publishes what it measures. All methods may be
// called from any goroutine.
type Monitor struct {
	options   Options
	log       zerolog.Logger
	exporter  *exporter.Exporter
	resolver  *resolver.Resolver
	measuring measuring
	metrics   feed

	halting sync.Once
	halt    chan struct{} // closed by the first Close
	ended   chan struct{} // closed when nothing runs any more
	err     error         // why it ended by itself; valid when ended is closed

	// Of the resolver; set when the state becomes running.
	watching  context.Context
	unwatch   context.CancelFunc
	resolving <-chan struct{} // closed when it has ended, but for the watching of targets
	addressed sync.Map        // the IDs of sessions whose address it has found

	mu       sync.Mutex
	state    state
	table    table
	backends map[string]bool // by name
}

// state is where a Monitor is in its life. It only grows.
type state uint8

const (
	fresh state = iota
	starting
	running
	over // nothing new begins any more; ended tells when all has ended
)

// New makes a Monitor and opens its sockets, so that a port in use is known before anything runs. What
// needs privilege is done when it returns. It sends nothing, answers nothing and publishes nothing before
// Start. The caller must Close it.
//
// The error of a wrong option names its field, the value and what is allowed.
func New(o Options) (*Monitor, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	m := &Monitor{
		options: o, log: logTo(o.Logger), halt: make(chan struct{}), ended: make(chan struct{}),
		metrics: feed{capacity: o.MetricsBuffer}, backends: map[string]bool{},
		table: newTable(),
	}
	m.exporter = exporter.New(m.exporterConfig())
	m.resolver = &resolver.Resolver{
		Lookup: net.DefaultResolver.LookupNetIP, Interface: resolver.InterfaceIndex,
		Add: m.addSession, Missed: m.missed, Log: m.log,
	}
	m.measuring = measuring{options: o, exporter: m.exporter, note: m.note}
	if err := m.measuring.open(); err != nil {
		return nil, err
	}
	return m, nil
}

// exporterConfig lets the exporter know twice as many reflected sessions as there may be: the ring may
// hold the end of each, and the beginning of another one.
func (m *Monitor) exporterConfig() exporter.Config {
	return exporter.Config{
		Name: m.options.Name, Log: m.log, OnEvent: m.onEvent, MaxReflected: 2 * m.options.Reflector.MaxSessions,
		OnPoint: m.metrics.take,
	}
}

// Start starts measuring and returns when the loops run. The Monitor ends when ctx is done, as by Close,
// or by itself, see Err. It starts once: after an error it is closed.
//
// While it runs, an engine in this process has two Ps of the Go scheduler more than there were
// (runtime.GOMAXPROCS), so that its loops never wait for one.
func (m *Monitor) Start(ctx context.Context) error {
	if err := m.become(starting); err != nil {
		return err
	}
	m.measuring.lockMemory()
	exporting := start(m.exporter.Run)
	err := m.startEngine(ctx)
	if err == nil {
		err = m.beginAll()
	}
	if err != nil {
		m.end()
		m.stop(exporting)
		close(m.ended)
		return err
	}
	reporter := exporter.Reporter{Log: m.log, Totals: m.Totals, Exporter: m.exporter}
	reporting := start(reporter.Run)
	go m.run(ctx, exporting, reporting)
	return nil
}

// become moves on to a later state that nobody else has moved on to.
func (m *Monitor) become(next state) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.state == over:
		return ErrClosed
	case m.state >= next:
		return ErrStarted
	}
	m.state = next
	return nil
}

// startEngine starts the engine, unless ctx is done or Close is called before it runs.
func (m *Monitor) startEngine(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := start(func(over context.Context) error {
		select {
		case <-m.halt:
			cancel(ErrClosed)
		case <-over.Done():
		}
		return nil
	})
	defer watch.stop()
	return m.measuring.start(ctx)
}

// run waits until it is time to end, and ends from front to back: no new probes, replies to the last
// ones, loops, rings, backends, the totals.
func (m *Monitor) run(ctx context.Context, exporting, reporting *task) {
	defer close(m.ended)
	m.err = m.wait(ctx, exporting)
	m.end()
	m.stop(exporting)
	_ = reporting.stop()
}

// wait returns when it is time to end: after Close or the end of ctx, once the last probes are settled;
// when a backend has no other end any more; or when a loop failed. Of the last two it returns the error.
func (m *Monitor) wait(ctx context.Context, exporting *task) error {
	e, _ := m.measuring.current()
	halt, cancelled := m.halt, ctx.Done()
	var drained <-chan struct{}
	for {
		select {
		case <-halt:
		case <-cancelled:
		case <-drained:
			return nil
		case <-exporting.done:
			m.log.Info().Msg("stopping: the reader of the measurements has gone")
			return exporting.err
		case err := <-e.Failed():
			m.log.WithLevel(zerolog.FatalLevel).Msg(err.Error())
			return err
		}
		halt, cancelled = nil, nil
		m.refuse()
		drained = e.Drain()
	}
}

// refuse lets no new target begin.
func (m *Monitor) refuse() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = over
}

// end ends what goes on beside the engine.
func (m *Monitor) end() {
	m.refuse()
	if m.unwatch == nil {
		return
	}
	m.unwatch()
	<-m.resolving
	for _, t := range m.present() {
		<-t.watched
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, timer := range m.table.leaving {
		timer.Stop()
	}
}

// stop stops the engine and then the exporter, which publishes what was measured.
func (m *Monitor) stop(exporting *task) {
	e, _ := m.measuring.current()
	e.Stop()
	_ = exporting.stop()
	m.metrics.close()
}

// Close ends the Monitor and waits for that: it sends no more probes, waits for replies to the last ones
// for their timeouts at most, and lets the backends publish what they have for at most 5 s. Then it
// closes the channel of Metrics. It may be called again, before and during Start, and when the Monitor
// has ended by itself. It returns Err.
func (m *Monitor) Close() error {
	m.halting.Do(func() { close(m.halt) })
	if err := m.becomeOver(); err == nil {
		m.stop(closedAtOnce(m.exporter))
		close(m.ended)
	}
	<-m.ended
	return m.err
}

// becomeOver ends a Monitor that was never started; the error says that it was.
func (m *Monitor) becomeOver() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != fresh {
		return ErrStarted
	}
	m.state = over
	return nil
}

// closedAtOnce runs an exporter only to close its backends.
func closedAtOnce(e *exporter.Exporter) *task {
	t := start(e.Run)
	t.cancel()
	return t
}

// Done is closed when the Monitor has ended, for whatever reason, and all its parts with it.
func (m *Monitor) Done() <-chan struct{} { return m.ended }

// Err is why the Monitor ended by itself: an error that is ErrBackendClosed when a backend said that its
// other end is gone for good, or that of an engine which can't go on. It is nil before Done is closed,
// and after Close, the end of Start's context, and a Start that failed.
func (m *Monitor) Err() error {
	select {
	case <-m.ended:
		return m.err
	default:
		return nil
	}
}

// Metrics returns the channel on which points are sent from the first call of Metrics on: call it before
// Start to miss none. All calls return the same channel. It never makes anything wait: a point that
// finds it full is dropped and counted, see Stats. Close closes it, behind the last point.
func (m *Monitor) Metrics() <-chan Metric { return m.metrics.open() }

func (m *Monitor) note(text string) { m.log.Warn().Msg(text) }

// onEvent lets the resolver know which targets answer.
func (m *Monitor) onEvent(e exporter.Event) { m.resolver.Tell(e.ID, e.Kind) }

// missed is how many events there may have been that onEvent was not called for.
func (m *Monitor) missed() uint64 {
	c := m.exporter.Counters()
	return c.RingDropped + c.EventsDropped
}

func (m *Monitor) addSession(s measurement.Session) {
	m.addressed.Store(s.ID, true)
	e, _ := m.measuring.current()
	e.Add(s)
}

// AddBackend has the points published by b too, and closed by b's Close when the Monitor ends, also one
// that is never started. Its name must be another one than those of other backends. Call it before
// Start; after an error b is still the caller's.
func (m *Monitor) AddBackend(b Backend, p Pacing) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch name := b.Name(); {
	case m.state == over:
		return ErrClosed
	case m.state != fresh:
		return ErrStarted
	case m.backends[name]:
		return fmt.Errorf("backend %q: there is one of this name already", name)
	default:
		m.backends[name] = true
	}
	m.exporter.AddBackend(b, p)
	return nil
}
