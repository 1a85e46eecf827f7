package exporter

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const (
	// The exporter polls the rings, as often as makes it find about popSize records, or what fills an eighth of a
	// ring. After a poll that found nothing it sleeps until a producer wakes it. Waking another thread costs a lock
	// or a system call, and the one who pays is the measuring thread; so it pays for the first sample after a
	// silence only. The first pause after that is pollFirst, and one is at most twice as long as the one before: a
	// ring must hold what comes in so long.
	pollFirst    = 10 * time.Millisecond
	pollShortest = time.Millisecond
	pollLongest  = 100 * time.Millisecond

	// pollAsleep bounds the sleep, for a producer that is broken and wakes nobody.
	pollAsleep = time.Second

	popSize = 256 // records moved out of a ring at once

	// maxLost bounds how many points one record of lost probes becomes.
	maxLost = 1_000_000

	defaultFlushLimit   = 5 * time.Second
	endsSoon            = time.Second // after which the log says why the end takes long
	defaultMaxReflected = 65536
)

// Config is what an Exporter needs to know.
type Config struct {
	Name         string         // our own name: the target of the sessions that we reflect, and both ends of the host's series
	Log          zerolog.Logger // for events and for backends that fail
	OnEvent      func(Event)    // nil: events are only logged. See Event
	FlushLimit   time.Duration  // how long Run may take after its context is done; 0 = 5 s
	MaxReflected int            // reflected sessions known at once, per ring; 0 = 65536

	// OnPoint, if it is not nil, is called for each point, before the backends get it. With those of probes
	// that were lost together, left is how many there are from this one on, 1 otherwise; when it returns
	// false it is not called for the others of them. Run calls it from its own goroutine: it must not block.
	OnPoint func(p Point, left int64) (more bool)
}

// Exporter moves samples from rings to backends. Rings and sessions may be added and removed, and
// counters read, from any goroutine at any time; backends are added before Run.
type Exporter struct {
	config  Config
	probed  probed
	host    *names // of session 0, which is this host's: both ends are ourselves
	outlets []*outlet
	events  *events
	final   chan error
	wake    chan struct{} // holds a token after Wake
	ended   chan struct{} // closed when Run no longer drains

	mu    sync.Mutex
	rings []*source // replaced, never changed: whoever has read it may go on using it
	gone  ringCounts

	// The exporter goroutine's own.
	popped [popSize]measurement.Sample
	batch  []run
	asleep bool // some rings' producers were asked to wake us

	unresolved atomic.Uint64
	invalid    atomic.Uint64
	excess     atomic.Uint64
}

// Counters is what the exporter dropped, and where each backend's points are.
type Counters struct {
	RingDropped   uint64 // samples that found their ring full
	RingCorrupted uint64 // times that a ring's cursor made no sense, and what was in it was passed over
	Unresolved    uint64 // samples of sessions that nobody announced
	Invalid       uint64 // records that make no sense
	ExcessLost    uint64 // lost probes beyond a million in one record, not published
	EventsDropped uint64 // events that were neither logged nor called back for
	Backends      []BackendCounters
}

// New makes an Exporter that does nothing yet.
func New(c Config) *Exporter {
	if c.FlushLimit <= 0 {
		c.FlushLimit = defaultFlushLimit
	}
	if c.MaxReflected <= 0 {
		c.MaxReflected = defaultMaxReflected
	}
	return &Exporter{
		config: c,
		probed: probed{byID: map[measurement.SessionID]*names{}},
		host:   newNames(c.Name, c.Name, nil),
		events: newEvents(c.Log, c.OnEvent),
		final:  make(chan error, 1),
		wake:   make(chan struct{}, 1),
		ended:  make(chan struct{}),
		batch:  make([]run, 0, batchSize),
	}
}

// AddBackend adds a backend, which Run closes. It must not be called once Run was.
func (e *Exporter) AddBackend(b Backend, p Pacing) {
	e.outlets = append(e.outlets, newOutlet(b, p, e.config.Log, e.final))
}

// AddSession makes a session's samples resolvable. Call it before the engine gets to know the
// session. It keeps its own copy; an error means that the ID is taken or not one of a probed session.
func (e *Exporter) AddSession(s measurement.Session) error { return e.probed.add(s) }

// RemoveSession forgets a session as soon as the samples are resolved that are now in the rings.
// Call it after the engine has let go of the session.
func (e *Exporter) RemoveSession(id measurement.SessionID) { e.probed.remove(id) }

// Counters reads the counters.
func (e *Exporter) Counters() Counters {
	c := Counters{
		Unresolved: e.unresolved.Load(), Invalid: e.invalid.Load(), ExcessLost: e.excess.Load(),
		EventsDropped: e.events.dropped.Load(),
	}
	lost := e.ringCounts()
	c.RingDropped, c.RingCorrupted = lost.dropped, lost.corrupted
	for _, o := range e.outlets {
		c.Backends = append(c.Backends, o.counters())
	}
	return c
}

// Run exports until ctx is done and then returns nil, or until a backend's other end is gone and
// then returns an error that is ErrClosed. Either way it drains the rings once more, lets the
// backends publish and flush what is queued, and closes them. That takes FlushLimit at most; what is
// not delivered by then counts as dropped. So stop the producers first.
//
// A backend that is still blocked at the end of FlushLimit, such as a write to a pipe that nobody
// reads, can't be interrupted: its goroutine is left behind, for the end of the process to take it
// away. Run must be called once.
func (e *Exporter) Run(ctx context.Context) error {
	backendCtx, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	go e.events.run()
	for _, o := range e.outlets {
		go o.run(backendCtx)
	}
	err := e.poll(ctx)
	e.finish(giveUp)
	if err == nil {
		// The other end may have left while we were finishing.
		select {
		case err = <-e.final:
		default:
		}
	}
	return err
}

// poll returns nil when ctx is done, or the error that ends the daemon.
func (e *Exporter) poll(ctx context.Context) error {
	pause := pollFirst
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-e.final:
			return err
		case <-timer.C:
		case <-e.wake:
		}
		e.wakeUp()
		pause = nextPause(pause, e.drain())
		if pause == pollAsleep && !e.fallAsleep() {
			pause = pollFirst
		}
		timer.Reset(pause)
	}
}

// nextPause is until the next poll, after one that found so many times what it should.
func nextPause(last time.Duration, found float64) time.Duration {
	switch {
	case found == 0:
		return pollAsleep
	case last == pollAsleep:
		return pollFirst
	}
	best := time.Duration(float64(last) / found)
	return max(pollShortest, min(best, 2*last, pollLongest))
}

// finish drains, publishes, flushes and closes, within FlushLimit. Half of it is for draining, and
// the last tenth for backends that were told to give up.
func (e *Exporter) finish(giveUp context.CancelFunc) {
	limit := e.config.FlushLimit
	over, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	defer time.AfterFunc(limit*9/10, giveUp).Stop()

	for end := time.Now().Add(limit / 2); e.drain() > 0 && time.Now().Before(end); {
	}
	close(e.ended)
	for _, o := range e.outlets {
		o.end()
	}
	close(e.events.queue)
	e.awaitBackends(over)
	if !finished(over, e.events.done) {
		e.events.dropped.Add(uint64(len(e.events.queue)))
	}
}

// awaitBackends waits for the backends until over, and says which it waits for if that takes longer than
// endsSoon, and what they were not rid of in the end.
func (e *Exporter) awaitBackends(over context.Context) {
	soon, cancel := context.WithTimeout(over, endsSoon)
	defer cancel()
	for _, o := range e.outlets {
		if !finished(soon, o.done) {
			o.tellWaiting()
		}
	}
	for _, o := range e.outlets {
		ended := finished(over, o.done)
		if !ended {
			o.queue.abandon()
		}
		if !ended || !o.gone {
			o.tellGivenUp()
		}
	}
}

// finished waits until done or over, and reports whether it was done.
func finished(over context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-over.Done():
	}
	select {
	case <-done: // both at once
		return true
	default:
		return false
	}
}
