package isolation

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/rtthread"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const (
	// How long a child may take until its loops run, and until it has ended.
	usualStartLimit = 10 * time.Second
	usualStopLimit  = 2 * time.Second
	// How much longer than the timeouts a child may take to tell that it is drained.
	usualDrainSlack = 2 * time.Second
	// A child that died is followed by the next one after firstPause, and after twice as long each
	// time, up to lastPause; after firstPause again when one has lived for healthy.
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	healthy    = 10 * time.Second
	// remindEvery is how often the log says that there is still no child.
	remindEvery = time.Minute
	// maxNotes bounds how many different notes children can put into the log.
	maxNotes = 100
	// How long a child may stand still before the log says so. It goes round its loop ten times a second, and
	// once without sessions.
	usualHungAfter = 3 * time.Second
)

// ErrStopped is the error of a Start during which Stop was called.
var ErrStopped = errors.New("stopped")

// Engine is an engine in a process of its own, with the methods of an engine.Engine.
type Engine struct {
	config Config
	lent   []packetio.Lent // the supervisor's, once it runs
	spawns chan func()     // to the thread that starts children
	done   chan struct{}   // closed when the supervisor has ended
	halt   chan struct{}   // closed by Stop
	failed chan error      // never gets anything: what fails is started again

	startLimit, stopLimit, drainSlack, hungAfter time.Duration

	stopping sync.Once  // closes halt
	running  sync.Mutex // held by Start and Stop
	started  bool
	stopped  bool

	mu       sync.Mutex
	child    *process // nil while there is none
	sessions map[measurement.SessionID]addition
	through  clock.Mono       // all slots up to this time are counted in own; 0 = no child has run yet
	own      *selfstats.Block // what children that are no more have counted, and what we count
	told     map[string]bool  // notes of children
	end      clock.Mono       // slots later than that are none: nothing is to be probed any more; 0 = not yet
	draining bool
	patience *time.Timer // of Drain; nil before
	drained  chan struct{}
	settle   sync.Once // closes drained
}

// New does what needs privilege, for all children to come: it opens the sockets, so that a port in use
// is known before anything runs, and gets hold of the real-time priority. No child runs yet. The caller
// must Stop the Engine.
func New(c Config) (*Engine, error) {
	lent, err := engine.Lend(c.Engine)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		config: c, lent: lent, spawns: make(chan func()), done: make(chan struct{}), halt: make(chan struct{}),
		failed: make(chan error), sessions: map[measurement.SessionID]addition{}, own: new(selfstats.Block),
		drained: make(chan struct{}), told: map[string]bool{}, startLimit: usualStartLimit,
		stopLimit: usualStopLimit, drainSlack: usualDrainSlack, hungAfter: usualHungAfter,
	}
	entered := make(chan struct{})
	go e.spawn(entered)
	<-entered
	return e, nil
}

// spawn is the thread that starts children. They inherit its priority, so that they need no right to
// set one, and live no longer than it does. If it gets no priority, the children say so.
//
// It is one more than that of the loops, which is what the other threads of a child have then: those have little to
// do, but a loop that is busy all the time must not keep them from it, as one of the same priority would (sched(7)).
func (e *Engine) spawn(entered chan<- struct{}) {
	if e.config.Engine.Priority > 0 {
		rtthread.Enter(rtthread.Options{Priority: min(e.config.Engine.Priority+1, 99), CPU: -1, Inherit: true})
	} else {
		runtime.LockOSThread()
	}
	close(entered)
	for f := range e.spawns {
		f()
	}
}

// Start starts the first child and waits until its loops run. Rings go to Config.Consumer from now on.
func (e *Engine) Start() error {
	e.running.Lock()
	defer e.running.Unlock()
	if e.started || e.halted() {
		return nil
	}
	if err := e.launch(); err != nil {
		return err
	}
	e.started = true
	go e.supervise()
	return nil
}

// Failed is there because an engine.Engine has it: nothing that ends a child ends this Engine.
func (e *Engine) Failed() <-chan error { return e.failed }

// Trouble is why nothing is measured at present: there is no child, or it stands still. nil: it measures.
func (e *Engine) Trouble() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.child == nil:
		return errors.New("there is no engine process at present")
	case e.child.still:
		return fmt.Errorf("%v stands still", e.child)
	}
	return nil
}

// Mode is engine.Linux.
func (e *Engine) Mode() engine.Mode { return engine.Linux }

// Totals are the sums of the counters of all children there are and were. They never become less,
// unless a child has spoiled its own.
func (e *Engine) Totals() selfstats.Totals {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.skip(clock.MonoNow())
	blocks := []*selfstats.Block{e.own}
	if e.child != nil {
		blocks = append(blocks, e.child.memory.blocks()...)
	}
	return selfstats.Sum(blocks)
}

// Add starts probing a session, or goes on with new parameters if one of its ID is there. It does not
// wait. It may be called from any goroutine, before and after Start.
func (e *Engine) Add(s measurement.Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := clock.MonoNow()
	e.skip(now)
	e.sessions[s.ID] = addition{Session: s, Since: now}
	e.send(add, addition{Session: s})
}

// Remove stops probing a session.
func (e *Engine) Remove(id measurement.SessionID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.skip(clock.MonoNow())
	delete(e.sessions, id)
	e.send(remove, id)
}

// Drain ends all probing; the channel is closed when the last probe is answered or lost, when the child
// has died, or, if it does not tell, drainSlack after the longest timeout of a session. Others' probes
// are still answered.
func (e *Engine) Drain() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	limit := e.drainSlack
	for _, a := range e.sessions {
		limit = max(limit, a.Session.Timeout+e.drainSlack)
	}
	e.draining = true
	e.finish()
	if e.child == nil {
		e.settle.Do(func() { close(e.drained) })
	}
	e.send(drain, nil)
	if e.patience != nil {
		e.patience.Stop()
	}
	e.patience = time.AfterFunc(limit, e.childDrained)
	return e.drained
}

// finish ends all probing, as far as slots count. The caller holds mu.
func (e *Engine) finish() {
	if now := clock.MonoNow(); e.end == 0 {
		e.skip(now)
		e.end = now
	}
}

// send passes a message to the child, if there is one. The caller holds mu.
func (e *Engine) send(k kind, body any) {
	if e.child == nil {
		return
	}
	if err := e.child.send(k, body); err != nil {
		e.config.Engine.Note(fmt.Sprintf("engine process: %v", err))
	}
}

// Release is Stop, but for the sockets, which it gives to the caller. There must be no child.
func (e *Engine) Release() []packetio.Lent {
	e.running.Lock()
	lent := e.lent
	e.lent = nil
	e.running.Unlock()
	e.Stop()
	return lent
}

// Stop ends the child and closes the sockets, and waits for both. What was measured is with the
// consumer when it returns. It may be called again, from any goroutine, without Start and during it.
func (e *Engine) Stop() {
	e.stopping.Do(func() { close(e.halt) })
	e.running.Lock()
	defer e.running.Unlock()
	if e.stopped {
		return
	}
	e.stopped = true
	e.mu.Lock()
	e.finish()
	e.send(stop, nil)
	if e.patience != nil {
		e.patience.Stop() // it would hold the Engine, and its Consumer, until it is over
	}
	p := e.child
	e.mu.Unlock()
	if p != nil {
		p.endWithin(e.stopLimit)
	}
	if e.started {
		<-e.done
	}
	close(e.spawns)
	for i := range e.lent {
		e.lent[i].Close()
	}
}
