package engine

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// Engine is the running loops.
type Engine struct {
	config Config
	open   func(Mode) (loop.Poller, error)
	send   *worker
	answer *worker
	failed chan error
	begin  chan bool // gets a value for each loop: to run, or to end without
	mode   Mode
	noIPv6 bool // has been noted

	running sync.Mutex // held by Start and Stop
	started bool
	stopped bool

	mu     sync.Mutex
	warned map[measurement.SessionID]bool
}

// Loops is how many loops an Engine has.
const Loops = 2

// Threads are the names of the loops' threads. Nothing writes to it.
var Threads = [Loops]string{"sender", "reflector"}

// New opens all sockets, so that a port in use is known before anything runs, and sets up the loops'
// threads. Whatever needs privilege is done when it returns. The caller must Stop the Engine.
func New(c Config) (*Engine, error) { return newEngine(c, newPoller) }

// Works reports why this system has no engine of a mode, Linux or Portable; nil: it has.
func Works(m Mode) error {
	p, err := newPoller(m)
	if err != nil {
		return err
	}
	return p.Close()
}

// newEngine makes an Engine on pollers that open makes.
func newEngine(c Config, open func(Mode) (loop.Poller, error)) (*Engine, error) {
	e := &Engine{
		config: c, open: open, failed: make(chan error, Loops), begin: make(chan bool, Loops),
		warned: map[measurement.SessionID]bool{},
	}
	sendPoller, answerPoller, err := e.pollers()
	if err != nil {
		return nil, err
	}
	e.noteIgnored()
	e.send, err = e.newWorker(Threads[0], sendPoller, 0, e.newSender)
	if err != nil {
		return nil, errors.Join(err, answerPoller.Close())
	}
	e.answer, err = e.newWorker(Threads[1], answerPoller, 1, e.newReflector)
	if err != nil {
		e.send.loop.Close()
		return nil, err
	}
	for _, w := range e.workers() {
		go e.run(w)
		<-w.entered
	}
	return e, nil
}

func (e *Engine) workers() [Loops]*worker { return [Loops]*worker{e.send, e.answer} }

// pollers makes one poller for each loop, of the kind that the mode asks for.
func (e *Engine) pollers() (send, answer loop.Poller, err error) {
	make2 := func(mode Mode) (loop.Poller, loop.Poller, error) {
		first, err := e.open(mode)
		if err != nil {
			return nil, nil, err
		}
		second, err := e.open(mode)
		if err != nil {
			return nil, nil, errors.Join(err, first.Close())
		}
		e.mode = mode
		lend(first, e.config.Lent, true)
		lend(second, e.config.Lent, false)
		return first, second, nil
	}
	if e.config.Mode == Portable {
		return make2(Portable)
	}
	send, answer, err = make2(Linux)
	if err != nil && e.config.Mode == Auto {
		e.config.Note(fmt.Sprintf("no Linux engine here (%v): using the portable one, with user-space timestamps", err))
		return make2(Portable)
	}
	return send, answer, err
}

// lend gives a poller the sockets that are the sender's, which have no port yet, or the others.
func lend(p loop.Poller, sockets []packetio.Lent, senders bool) {
	borrower, ok := p.(interface{ Lend([]packetio.Lent) })
	if !ok {
		return // the portable one, for which nothing is lent
	}
	for _, s := range sockets {
		if (s.Local.Port() == 0) == senders {
			borrower.Lend([]packetio.Lent{s})
		}
	}
}

// noteIgnored tells what was asked for that the mode does not have.
func (e *Engine) noteIgnored() {
	if e.mode == Portable && (e.config.Priority > 0 || len(e.config.CPUs) > 0) {
		e.config.Note("the portable engine has no realtime_priority and no cpus: going on without")
	}
}

// Start runs the loops, once. It gives the Go runtime a P more for each of them, so that a loop that
// wakes up never waits for one: this changes GOMAXPROCS of the process, until Stop. The error is nil.
func (e *Engine) Start() error {
	e.running.Lock()
	defer e.running.Unlock()
	if e.started || e.stopped {
		return nil
	}
	e.started = true
	addProcs(Loops)
	for range Loops {
		e.begin <- true
	}
	return nil
}

// Failed carries the error that ended a loop. Nothing more is measured after that, and the caller
// should end the process.
func (e *Engine) Failed() <-chan error { return e.failed }

// Mode is the mode in use, never Auto.
func (e *Engine) Mode() Mode { return e.mode }

// Rings are the rings to be drained, by one consumer each.
func (e *Engine) Rings() []*ring.SPSC { return []*ring.SPSC{e.send.Ring, e.answer.Ring} }

// Counters are the loops' counters.
func (e *Engine) Counters() []*selfstats.Block {
	return []*selfstats.Block{e.send.Counters, e.answer.Counters}
}

// Totals are the sums of the loops' counters.
func (e *Engine) Totals() selfstats.Totals { return selfstats.Sum(e.Counters()) }

// Add starts probing a session, or goes on with new parameters if one of its ID is there. It does not
// wait. It may be called from any goroutine, before and after Start.
func (e *Engine) Add(s measurement.Session) { e.Resume(s, 0) }

// Resume is Add for a session that another engine has probed: its slots since then, in which nothing
// was sent, are counted as skipped.
func (e *Engine) Resume(s measurement.Session, since clock.Mono) {
	if limit := packetio.MaxDatagram(s.Remote.Addr()); s.Transport == measurement.UDP && s.Size > limit && e.firstWarning(s.ID) {
		e.config.Note(fmt.Sprintf("target %q: size %d does not fit a UDP datagram to %s: sending %d octets",
			s.Target, s.Size, s.Remote.Addr(), limit))
	}
	e.send.loop.Send(loop.Command{Verb: loop.Add, Session: s, Since: since})
}

func (e *Engine) firstWarning(id measurement.SessionID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := !e.warned[id]
	e.warned[id] = true
	return first
}

// Remove stops probing a session.
func (e *Engine) Remove(id measurement.SessionID) {
	e.send.loop.Send(loop.Command{Verb: loop.Remove, Session: measurement.Session{ID: id}})
}

// Drain ends all probing; the channel is closed when the last probe is answered or lost. Others'
// probes are still answered.
func (e *Engine) Drain() <-chan struct{} {
	e.send.loop.Send(loop.Command{Verb: loop.Drain})
	return e.send.loop.Drained()
}

// Stop ends the loops and closes their sockets, and waits for both. Samples stay in the rings. It may
// be called again, from any goroutine, and without Start.
func (e *Engine) Stop() {
	e.running.Lock()
	defer e.running.Unlock()
	if e.stopped {
		return
	}
	e.stopped = true
	if e.started {
		defer addProcs(-Loops)
	} else {
		for range Loops {
			e.begin <- false
		}
	}
	// One after the other: a sender that probes its own host must not see its reflector go.
	for _, w := range e.workers() {
		w.loop.Send(loop.Command{Verb: loop.Stop})
		<-w.done
	}
}

// procs keeps Engines that start and stop at the same time from taking away each other's Ps: GOMAXPROCS
// is one number for the whole process, and can't be added to in one step.
var procs sync.Mutex

func addProcs(n int) {
	procs.Lock()
	defer procs.Unlock()
	runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)+n))
}
