package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"

	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/reflector"
	"github.com/latency-monitor/latency-monitor/internal/rtthread"
	"github.com/latency-monitor/latency-monitor/internal/sender"
)

// worker is a loop with its thread and what leaves it.
type worker struct {
	Output
	name    string
	loop    *loop.Loop
	cpu     int
	entered chan struct{} // closed when the thread is set up
	done    chan struct{}
}

// newWorker makes a loop around the handler that newHandler makes.
func (e *Engine) newWorker(name string, p loop.Poller, i int,
	newHandler func(loop.Poller, *worker) (loop.Handler, packetio.Missing, error)) (*worker, error) {
	out, err := e.output(i)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	w := &worker{Output: out, name: name, cpu: -1, entered: make(chan struct{}), done: make(chan struct{})}
	if n := len(e.config.CPUs); n > 0 {
		w.cpu = e.config.CPUs[i%n]
	}
	handler, missing, err := newHandler(p, w)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	e.config.noteMissing(name, missing)
	w.loop = loop.New(p, handler, e.config.Spin)
	return w, nil
}

// output gives loop i its Output.
func (e *Engine) output(i int) (Output, error) {
	if len(e.config.Outputs) > 0 {
		return e.config.Outputs[i], nil
	}
	return NewOutput(e.config.RingSize)
}

func (e *Engine) newSender(p loop.Poller, w *worker) (loop.Handler, packetio.Missing, error) {
	transmit := e.config.Transmit && e.mode == Linux
	return sender.New(p, sender.Config{
		Ring: w.Ring, Counters: w.Counters, MaxSize: e.config.MaxSize, Transmit: transmit,
	})
}

func (e *Engine) newReflector(p loop.Poller, w *worker) (loop.Handler, packetio.Missing, error) {
	udp, tcp := e.config.listens()
	return reflector.New(p, reflector.Config{
		Name: e.config.Name, UDP: udp, TCP: tcp, Optional: e.optional, MaxSize: e.config.MaxSize,
		MaxSessions: e.config.MaxSessions, Timeout: e.config.Timeout, Stamp: e.config.Stamp,
		Ring: w.Ring, Counters: w.Counters,
		Lent: len(e.config.Lent) > 0,
	})
}

// optional reports whether to go on without listening on local: on a host without IPv6, the IPv6
// wildcard.
func (e *Engine) optional(local netip.AddrPort, err error) bool {
	ok := e.config.mayLack(local, err)
	if ok && !e.noIPv6 {
		e.noIPv6 = true
		e.config.Note(fmt.Sprintf("no IPv6 on this host (%v): answering over IPv4 only", err))
	}
	return ok
}

// run is a loop's thread.
func (e *Engine) run(w *worker) {
	defer close(w.done)
	defer func() {
		if p := recover(); p != nil {
			e.failed <- fmt.Errorf("%s loop: panic: %v\n%s", w.name, p, debug.Stack())
		}
	}()
	e.enter(w)
	if run := <-e.begin; !run {
		w.loop.Close()
		return
	}
	if err := w.loop.Run(); err != nil {
		e.failed <- fmt.Errorf("%s loop: %w", w.name, err)
	}
}

// enter sets the thread up.
func (e *Engine) enter(w *worker) {
	defer close(w.entered)
	if e.mode != Linux {
		return
	}
	thread := rtthread.Options{Name: w.name, Priority: e.config.Priority, CPU: w.cpu}
	for _, err := range rtthread.Enter(thread) {
		e.config.Note(fmt.Sprintf("%s thread: %v: going on without", w.name, err))
	}
}
