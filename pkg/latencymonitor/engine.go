package latencymonitor

import (
	"context"
	"errors"
	"sync"

	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/isolation"
	"github.com/latency-monitor/latency-monitor/internal/privilege"
	"github.com/latency-monitor/latency-monitor/internal/reflector"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// EngineProcess is the whole life of an engine process, if this process was started as one. A program
// whose Options say Isolate calls it before it does anything else:
//
//	if status, ok := latencymonitor.EngineProcess(os.Args); ok {
//		os.Exit(status)
//	}
func EngineProcess(args []string) (status int, ok bool) {
	if len(args) < 2 || args[1] != isolation.Verb {
		return 0, false
	}
	return isolation.Serve(), true
}

// measurer is an engine, in this process (engine.Engine) or in one of its own (isolation.Engine).
type measurer interface {
	Start() error
	Add(s measurement.Session)
	Remove(id measurement.SessionID)
	Drain() <-chan struct{}
	Failed() <-chan error
	Stop()
	Mode() engine.Mode
	Totals() selfstats.Totals
}

// measuring holds the engine in use: the start may replace it, while others ask for its counters.
type measuring struct {
	options  Options
	exporter *exporter.Exporter
	note     func(string)

	mu       sync.Mutex
	engine   measurer
	isolated bool
}

func (m *measuring) use(e measurer, isolated bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.engine, m.isolated = e, isolated
}

func (m *measuring) current() (e measurer, isolated bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.engine, m.isolated
}

// open opens the sockets, and does all else that needs privilege.
func (m *measuring) open() error {
	isolated, err := m.isolate()
	if err != nil {
		return err
	}
	c := m.options.engine(m.note)
	if !isolated {
		return m.openHere(c)
	}
	c.Mode = engine.Linux
	e, err := isolation.New(isolation.Config{
		Engine: c, LockMemory: m.options.Engine.LockMemory, Consumer: m.exporter,
	})
	if err == nil {
		m.use(e, true)
	}
	return err
}

// openHere makes an engine in this process.
func (m *measuring) openHere(c engine.Config) error {
	e, err := engine.New(c)
	if err != nil {
		return err
	}
	for _, r := range e.Rings() {
		m.exporter.AddRing(r)
	}
	m.use(e, false)
	return nil
}

// isolate decides whether the engine gets a process of its own. The error says why it can't have one
// although it was asked for.
func (m *measuring) isolate() (bool, error) {
	c := m.options.Engine
	if c.Isolate == IsolateNever || c.Mode == ModePortable {
		return false, nil
	}
	err := isolation.Available()
	if err == nil {
		err = engine.Works(engine.Linux)
	}
	switch {
	case err == nil:
		return true, nil
	case c.Isolate == IsolateAlways:
		return false, err
	case !errors.Is(err, errors.ErrUnsupported): // nobody expects it there
		m.note(err.Error() + ": measuring in the daemon's own process")
	}
	return false, nil
}

// start starts the engine, unless ctx is done first. After an error the caller must stop the engine.
func (m *measuring) start(ctx context.Context) error {
	first, _ := m.current() // the start may replace it
	starting := start(func(context.Context) error { return m.startAny() })
	select {
	case <-starting.done:
		return starting.err
	case <-ctx.Done():
		first.Stop()
		<-starting.done
		return context.Cause(ctx)
	}
}

// startAny starts the engine. If its own process does not start, and nobody insisted on one, it runs in
// this one, on the same sockets.
func (m *measuring) startAny() error {
	e, _ := m.current()
	err := e.Start()
	isolated, ok := e.(*isolation.Engine)
	switch {
	case err == nil || !ok || errors.Is(err, isolation.ErrStopped):
		return err
	case m.options.Engine.Isolate == IsolateAlways:
		return err
	}
	m.note(err.Error() + ": measuring in the daemon's own process")
	c := m.options.engine(m.note)
	c.Mode, c.Lent = engine.Linux, isolated.Release()
	if err := m.openHere(c); err != nil {
		return err
	}
	m.lockMemory()
	e, _ = m.current()
	return e.Start()
}

// lockMemory is for the engine in this process; one in its own does so itself.
func (m *measuring) lockMemory() {
	if _, isolated := m.current(); isolated || !m.options.Engine.LockMemory {
		return
	}
	if err := privilege.LockMemory(); err != nil {
		m.note(err.Error() + ": going on without")
	}
}

// engine is what the engine has to know. A reflector that has only a StampPort has it as its only port.
func (o Options) engine(note func(string)) engine.Config {
	mode := engine.Mode(orDefault(o.Engine.Mode, Mode(engine.Auto)))
	r := o.Reflector
	c := engine.Config{
		Mode: mode, Name: o.Name, Address: r.Address,
		UDP: r.UDPPort != 0 || r.StampPort != 0, TCP: r.TCPPort != 0,
		UDPPort: r.UDPPort, TCPPort: r.TCPPort, StampPort: r.StampPort,
		Stamp: reflector.Stamp{
			Stateless: r.Stateless, Format: r.Format, UTCOffset: utcOffset(r.PTPUTCOffset), Keys: r.AuthKeys,
			RequireAuth: r.RequireAuth, Allow: r.Allow, RateLimit: max(0, r.RateLimit),
		},
		MaxSize: o.MaxSize, MaxSessions: r.MaxSessions, Timeout: r.Timeout,
		Priority: o.Engine.RealtimePriority, CPUs: o.Engine.CPUs, Spin: o.Engine.Spin,
		Transmit: !o.Engine.NoTxTimestamps, RingSize: o.Engine.RingSize,
		Note: note,
	}
	if r.UDPPort == 0 {
		c.UDPPort, c.StampPort = r.StampPort, 0
	}
	return c
}
