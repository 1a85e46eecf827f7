package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/reflector"
	"github.com/latency-monitor/latency-monitor/internal/rtthread"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/sender"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// Mode selects how packets are sent and received.
type Mode string

// Modes.
const (
	Auto     Mode = "auto"     // Linux where it works, else Portable
	Linux    Mode = "linux"    // epoll, batched system calls, kernel timestamps
	Portable Mode = "portable" // the net package, user-space timestamps
)

// Config of an Engine.
type Config struct {
	Mode        Mode
	Name        string     // ours, in replies
	Address     netip.Addr // where to answer; not valid = all addresses of both families
	UDP, TCP    bool       // whether to answer over it
	UDPPort     uint16
	TCPPort     uint16
	MaxSize     int           // octets of a message
	MaxSessions int           // that the reflector keeps
	Timeout     time.Duration // after which the reflector takes a missing probe for lost
	Priority    int           // SCHED_FIFO priority of the loops; 0 = off
	CPUs        []int         // for the sender's and the reflector's thread; empty = any
	Spin        time.Duration
	Transmit    bool // use transmit timestamps where there are any
	RingSize    int  // samples per loop, a power of two
	// Note is told, in one line each and at the start only, what the system refused and how the engine
	// goes on without. It may be called from several goroutines.
	Note func(string)
}

// Engine is the running loops.
type Engine struct {
	config Config
	open   func(Mode) (loop.Poller, error)
	send   *worker
	answer *worker
	failed chan error
	mode   Mode
	noIPv6 bool // has been noted

	running sync.Mutex // held by Start and Stop
	started bool
	stopped bool

	mu     sync.Mutex
	warned map[measurement.SessionID]bool
}

// worker is a loop with its thread and what leaves it.
type worker struct {
	name     string
	loop     *loop.Loop
	ring     *ring.SPSC
	counters *selfstats.Block
	cpu      int
	done     chan struct{}
}

// loops is how many loops an Engine has.
const loops = 2

// New opens all sockets, so that a port in use is known before anything runs. The caller must Start
// or Stop the Engine.
func New(c Config) (*Engine, error) { return newEngine(c, newPoller) }

// newEngine makes an Engine on pollers that open makes.
func newEngine(c Config, open func(Mode) (loop.Poller, error)) (*Engine, error) {
	e := &Engine{config: c, open: open, failed: make(chan error, loops), warned: map[measurement.SessionID]bool{}}
	sendPoller, answerPoller, err := e.pollers()
	if err != nil {
		return nil, err
	}
	e.noteIgnored()
	e.send, err = e.newWorker("sender", sendPoller, 0, e.newSender)
	if err != nil {
		return nil, errors.Join(err, answerPoller.Close())
	}
	e.answer, err = e.newWorker("reflector", answerPoller, 1, e.newReflector)
	if err != nil {
		e.send.loop.Close()
		return nil, err
	}
	return e, nil
}

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

// noteIgnored tells what was asked for that the mode does not have.
func (e *Engine) noteIgnored() {
	if e.mode == Portable && (e.config.Priority > 0 || len(e.config.CPUs) > 0) {
		e.config.Note("the portable engine has no realtime_priority and no cpus: going on without")
	}
}

// newWorker makes a loop around the handler that newHandler makes.
func (e *Engine) newWorker(name string, p loop.Poller, i int,
	newHandler func(loop.Poller, *worker) (loop.Handler, packetio.Missing, error)) (*worker, error) {
	r, err := ring.New(e.config.RingSize)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	w := &worker{name: name, ring: r, counters: new(selfstats.Block), cpu: -1, done: make(chan struct{})}
	if n := len(e.config.CPUs); n > 0 {
		w.cpu = e.config.CPUs[i%n]
	}
	handler, missing, err := newHandler(p, w)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	e.noteMissing(name, missing)
	w.loop = loop.New(p, handler, e.config.Spin)
	return w, nil
}

func (e *Engine) newSender(p loop.Poller, w *worker) (loop.Handler, packetio.Missing, error) {
	transmit := e.config.Transmit && e.mode == Linux
	return sender.New(p, sender.Config{
		Ring: w.ring, Counters: w.counters, MaxSize: e.config.MaxSize, Transmit: transmit,
	})
}

func (e *Engine) newReflector(p loop.Poller, w *worker) (loop.Handler, packetio.Missing, error) {
	c := reflector.Config{
		Name: e.config.Name, Optional: e.optional, MaxSize: e.config.MaxSize,
		MaxSessions: e.config.MaxSessions, Timeout: e.config.Timeout, Ring: w.ring, Counters: w.counters,
	}
	addresses := []netip.Addr{e.config.Address}
	if !e.config.Address.IsValid() {
		addresses = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	for _, ip := range addresses {
		if e.config.UDP {
			c.UDP = append(c.UDP, netip.AddrPortFrom(ip, e.config.UDPPort))
		}
		if e.config.TCP {
			c.TCP = append(c.TCP, netip.AddrPortFrom(ip, e.config.TCPPort))
		}
	}
	return reflector.New(p, c)
}

// optional reports whether to go on without listening on local: on a host without IPv6, the IPv6
// wildcard.
func (e *Engine) optional(local netip.AddrPort, err error) bool {
	ok := !e.config.Address.IsValid() && local.Addr().Is6() &&
		(errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL))
	if ok && !e.noIPv6 {
		e.noIPv6 = true
		e.config.Note(fmt.Sprintf("no IPv6 on this host (%v): answering over IPv4 only", err))
	}
	return ok
}

// noteMissing tells each thing once, however many sockets lack it.
func (e *Engine) noteMissing(name string, missing packetio.Missing) {
	told := map[string]bool{}
	for _, err := range missing {
		if !told[err.Error()] {
			told[err.Error()] = true
			e.config.Note(fmt.Sprintf("%s: %v: going on without", name, err))
		}
	}
}

// Start runs the loops, once. It gives the Go runtime a P more for each of them, so that a loop that
// wakes up never waits for one: this changes GOMAXPROCS of the process, until Stop.
func (e *Engine) Start() {
	e.running.Lock()
	defer e.running.Unlock()
	if e.started || e.stopped {
		return
	}
	e.started = true
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + loops)
	for _, w := range []*worker{e.send, e.answer} {
		go e.run(w)
	}
}

// run is a loop's thread.
func (e *Engine) run(w *worker) {
	defer close(w.done)
	defer func() {
		if p := recover(); p != nil {
			e.failed <- fmt.Errorf("%s loop: panic: %v\n%s", w.name, p, debug.Stack())
		}
	}()
	if e.mode == Linux {
		for _, err := range rtthread.Enter(rtthread.Options{Priority: e.config.Priority, CPU: w.cpu}) {
			e.config.Note(fmt.Sprintf("%s thread: %v: going on without", w.name, err))
		}
	}
	if err := w.loop.Run(); err != nil {
		e.failed <- fmt.Errorf("%s loop: %w", w.name, err)
	}
}

// Failed carries the error that ended a loop. Nothing more is measured after that, and the caller
// should end the process.
func (e *Engine) Failed() <-chan error { return e.failed }

// Mode is the mode in use, never Auto.
func (e *Engine) Mode() Mode { return e.mode }

// Rings are the rings to be drained, by one consumer each.
func (e *Engine) Rings() []*ring.SPSC { return []*ring.SPSC{e.send.ring, e.answer.ring} }

// Counters are the loops' counters.
func (e *Engine) Counters() []*selfstats.Block {
	return []*selfstats.Block{e.send.counters, e.answer.counters}
}

// Add starts probing a session, or goes on with new parameters if one of its ID is there. It does not
// wait. It may be called from any goroutine, before and after Start.
func (e *Engine) Add(s measurement.Session) {
	if limit := packetio.MaxDatagram(s.Remote.Addr()); s.Transport == measurement.UDP && s.Size > limit && e.firstWarning(s.ID) {
		e.config.Note(fmt.Sprintf("target %q: size %d does not fit a UDP datagram to %s: sending %d octets",
			s.Target, s.Size, s.Remote.Addr(), limit))
	}
	e.send.loop.Send(loop.Command{Verb: loop.Add, Session: s})
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
	if !e.started {
		e.send.loop.Close()
		e.answer.loop.Close()
		return
	}
	e.send.stop()
	e.answer.stop()
	<-e.send.done
	<-e.answer.done
	runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)-loops))
}

func (w *worker) stop() { w.loop.Send(loop.Command{Verb: loop.Stop}) }
