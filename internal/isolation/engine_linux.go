package isolation

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
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
	// A child that died is followed by the next one after firstPause, and after twice as long each
	// time, up to lastPause; after firstPause again when one has lived for healthy.
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	healthy    = 10 * time.Second
	// notesPerChild bounds what a child can put into the log.
	notesPerChild = 100
)

// Engine is an engine in a process of its own, with the methods of an engine.Engine.
type Engine struct {
	config Config
	lent   []packetio.Lent // the supervisor's, once it runs
	spawns chan func()     // to the thread that starts children
	done   chan struct{}   // closed when the supervisor has ended
	halt   chan struct{}   // closed by Stop
	failed chan error      // never gets anything: what fails is started again

	startLimit, stopLimit time.Duration

	running sync.Mutex // held by Start and Stop
	started bool
	stopped bool

	mu       sync.Mutex
	child    *process // nil while there is none
	sessions map[measurement.SessionID]addition
	through  clock.Mono       // the slots up to this time were counted by children that are no more
	own      *selfstats.Block // what they counted, and what we count; the supervisor writes it
	notes    int              // of this child
	draining bool
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
		drained: make(chan struct{}), startLimit: usualStartLimit, stopLimit: usualStopLimit,
	}
	entered := make(chan struct{})
	go e.spawn(entered)
	<-entered
	return e, nil
}

// spawn is the thread that starts children. They inherit its priority, so that they need no right to
// set one, and live no longer than it does. If it gets no priority, the children say so.
func (e *Engine) spawn(entered chan<- struct{}) {
	if e.config.Engine.Priority > 0 {
		rtthread.Enter(rtthread.Options{Priority: e.config.Engine.Priority, CPU: -1, Inherit: true})
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
	if e.started || e.stopped {
		return nil
	}
	if err := e.launch(); err != nil {
		return err
	}
	e.started = true
	go e.supervise()
	return nil
}

// launch starts a child, waits until its loops run, and gives it the sessions.
func (e *Engine) launch() error {
	p, err := e.startProcess()
	if err != nil {
		return err
	}
	for _, out := range p.memory.outputs {
		e.config.Consumer.AddRing(out.Ring)
	}
	err = p.send(configure, setup{Engine: e.config.Engine, LockMemory: e.config.LockMemory, Lent: borrowed(e.lent)})
	if err == nil {
		err = e.awaitReady(p)
	}
	if err != nil {
		_ = p.child.Kill() // an error says that it has ended
		<-p.gone
		e.bury(p)
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.child = p
	for _, id := range slices.Sorted(maps.Keys(e.sessions)) {
		a := e.sessions[id]
		if e.through > 0 { // it goes on; else it begins
			a.Since = max(a.Since, e.through+1)
		} else {
			a.Since = 0
		}
		_ = p.send(add, a) // was encoded before, by Add
	}
	if e.draining {
		_ = p.send(drain, nil)
	}
	return nil
}

func (e *Engine) startProcess() (p *process, err error) {
	e.mu.Lock()
	e.notes = 0
	e.mu.Unlock()
	started := make(chan struct{})
	e.spawns <- func() {
		defer close(started)
		p, err = startProcess(e.config.Engine.Name, e.config.Engine.RingSize, e.lent, e)
	}
	<-started
	return p, err
}

func (e *Engine) awaitReady(p *process) error {
	limit := time.NewTimer(e.startLimit)
	defer limit.Stop()
	select {
	case err := <-p.ready:
		if err != nil {
			return fmt.Errorf("%v: %w", p, err)
		}
		return nil
	case <-e.halt:
		return errors.New("stopped")
	case <-limit.C:
		return fmt.Errorf("%v: does not get ready within %v", p, e.startLimit)
	}
}

// supervise waits for the end of each child and starts the next one, until Stop.
func (e *Engine) supervise() {
	defer close(e.done)
	pause := firstPause
	for {
		p := e.current()
		<-p.gone
		died := time.Now()
		e.bury(p)
		if e.over() {
			return
		}
		e.config.Engine.Note(fmt.Sprintf("%v died: %s: starting another one", p, p.ended))
		if died.Sub(p.since) > healthy {
			pause = firstPause
		}
		if !e.relaunch(&pause) {
			return
		}
		e.config.Engine.Note(fmt.Sprintf("%v measures, %v after the last one died; slots meanwhile count as skipped_late",
			e.current(), time.Since(died).Round(time.Millisecond)))
	}
}

// relaunch tries until a child runs, and reports false when there is to be none any more.
func (e *Engine) relaunch(pause *time.Duration) bool {
	told := false
	for {
		timer := time.NewTimer(*pause)
		select {
		case <-timer.C:
		case <-e.halt:
			timer.Stop()
			return false
		}
		*pause = min(2**pause, lastPause)
		e.own.Inc(selfstats.EngineRestarts)
		err := e.launch()
		if err == nil {
			return true
		}
		if e.over() {
			return false
		}
		if !told {
			told = true
			e.config.Engine.Note(fmt.Sprintf("no engine process: %v: trying again", err))
		}
	}
}

func (e *Engine) current() *process {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.child
}

// bury takes what a child that is gone has left behind: samples, counts and sockets.
func (e *Engine) bury(p *process) {
	for _, out := range p.memory.outputs {
		e.config.Consumer.RemoveRing(out.Ring)
	}
	for i := range e.lent {
		e.lent[i].Return()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.child = nil
	for _, block := range p.memory.blocks() {
		e.own.TakeOver(block)
		if t := block.CountedThrough(); t <= clock.MonoNow() { // it can't be later, unless it is spoiled
			e.through = max(e.through, t)
		}
	}
	p.free()
	if e.draining {
		e.settle.Do(func() { close(e.drained) }) // there is nothing to wait for any more
	}
}

// over reports whether no child is to follow.
func (e *Engine) over() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.halt:
		return true
	default:
		return e.draining
	}
}

// heard implements listener.
func (e *Engine) heard(p *process, k kind, body []byte) {
	switch k {
	case ready:
		p.tellReady(nil)
	case drained:
		e.settle.Do(func() { close(e.drained) })
	case refused, failed:
		p.ended = textOf(body)
		p.tellReady(errors.New(p.ended))
	case noted:
		e.passOn(textOf(body))
	}
}

func textOf(body []byte) string {
	text, err := decodeBody[string](body)
	if err != nil {
		return err.Error()
	}
	return text
}

// passOn notes what a child has noted, unless that was too much.
func (e *Engine) passOn(text string) {
	e.mu.Lock()
	e.notes++
	heed := e.notes <= notesPerChild
	e.mu.Unlock()
	if heed {
		e.config.Engine.Note(text)
	}
}

// woken implements listener.
func (e *Engine) woken() { e.config.Consumer.Wake() }

// Failed is there because an engine.Engine has it: nothing that ends a child ends this Engine.
func (e *Engine) Failed() <-chan error { return e.failed }

// Mode is engine.Linux.
func (e *Engine) Mode() engine.Mode { return engine.Linux }

// Totals are the sums of the counters of all children there are and were. They never become less,
// unless a child has spoiled its own.
func (e *Engine) Totals() selfstats.Totals {
	e.mu.Lock()
	defer e.mu.Unlock()
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
	e.sessions[s.ID] = addition{Session: s, Since: clock.MonoNow()}
	e.send(add, addition{Session: s})
}

// Remove stops probing a session.
func (e *Engine) Remove(id measurement.SessionID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, id)
	e.send(remove, id)
}

// Drain ends all probing; the channel is closed when the last probe is answered or lost, or when the
// child has died. Others' probes are still answered.
func (e *Engine) Drain() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.draining = true
	clear(e.sessions)
	if e.child == nil {
		e.settle.Do(func() { close(e.drained) })
	}
	e.send(drain, nil)
	return e.drained
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

// Stop ends the child and closes the sockets, and waits for both. What was measured is with the
// consumer when it returns. It may be called again, from any goroutine, and without Start.
func (e *Engine) Stop() {
	e.running.Lock()
	defer e.running.Unlock()
	if e.stopped {
		return
	}
	e.stopped = true
	e.mu.Lock()
	close(e.halt)
	e.send(stop, nil)
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
