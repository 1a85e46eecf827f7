package isolation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/schedule"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
)

// The lives of children, in order: launch, entrust, watch, bury, relaunch.

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
	if err == nil {
		err = e.entrust(p)
	}
	if err != nil {
		_ = p.child.Kill() // an error says that it has ended
		<-p.gone
		e.bury(p)
	}
	return err
}

// entrust makes p the child, and gives it the sessions. Slots count from now on if no child has run yet,
// else from where the last one stopped.
func (e *Engine) entrust(p *process) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.halted() {
		return ErrStopped
	}
	now := clock.MonoNow()
	first := e.through == 0
	e.skip(now)
	e.through, e.child = now, p
	for _, id := range slices.Sorted(maps.Keys(e.sessions)) {
		a := e.sessions[id]
		if a.Since = now + 1; first {
			a.Since = 0
		}
		_ = p.send(add, a) // was encoded before, by Add
	}
	return nil
}

// skip counts the slots up to now in which nothing was sent because there was no child. The caller holds
// mu.
func (e *Engine) skip(now clock.Mono) {
	if e.child != nil || e.through == 0 {
		return
	}
	if e.end != 0 {
		now = min(now, e.end)
	}
	for _, a := range e.sessions {
		grid := schedule.Grid{Phase: a.Session.Phase, Interval: a.Session.Interval}
		e.own.Add(selfstats.SkippedLate, uint64(grid.Count(max(a.Since, e.through+1), now)))
	}
	e.through = max(e.through, now)
}

func (e *Engine) startProcess() (p *process, err error) {
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
		return ErrStopped
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
		e.watch(p)
		died := time.Now()
		e.bury(p)
		if e.over() {
			return
		}
		e.config.Engine.Note(fmt.Sprintf("%v died: %s: starting another one", p, p.ended))
		if died.Sub(p.since) > healthy {
			pause = firstPause
		}
		if !e.relaunch(died, &pause) {
			return
		}
		e.config.Engine.Note(fmt.Sprintf("%v measures, %v after the last one died; slots meanwhile count as skipped_late",
			e.current(), time.Since(died).Round(time.Millisecond)))
	}
}

// watch waits for the end of a child, and says so when it stands still and when it goes on: meanwhile
// nothing is measured, and nothing else tells.
func (e *Engine) watch(p *process) {
	tick := time.NewTicker(e.hungAfter)
	defer tick.Stop()
	last := clock.Mono(0)
	for {
		select {
		case <-p.gone:
			return
		case <-tick.C:
		}
		now := p.memory.outputs[0].Counters.LastBeat()
		was, is := e.judge(p, now == last)
		switch {
		case was && !is:
			e.config.Engine.Note(fmt.Sprintf("%v goes on; slots meanwhile count as skipped_late", p))
		case !was && is:
			e.config.Engine.Note(fmt.Sprintf("%v stands still: nothing is measured until it goes on, or dies", p))
		}
		last = now
	}
}

// judge returns whether a child stood still before, and whether it does now. At the end nobody is told any
// more that it does.
func (e *Engine) judge(p *process, still bool) (was, is bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	was = p.still
	p.still = still && (was || e.end == 0)
	return was, p.still
}

// relaunch tries until a child runs, and reports false when there is to be none any more.
func (e *Engine) relaunch(died time.Time, pause *time.Duration) bool {
	var told time.Time
	for {
		timer := time.NewTimer(*pause)
		select {
		case <-timer.C:
		case <-e.halt:
			timer.Stop()
			return false
		}
		*pause = min(2**pause, lastPause)
		err := e.launch()
		if err == nil {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.own.Inc(selfstats.EngineRestarts)
			return true
		}
		if e.over() {
			return false
		}
		if time.Since(told) >= remindEvery {
			told = time.Now()
			e.config.Engine.Note(fmt.Sprintf("no engine process for %v, so nothing is measured: %v: trying again",
				time.Since(died).Round(time.Second), err))
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
	now := clock.MonoNow()
	for _, block := range p.memory.blocks() {
		e.own.TakeOver(block)
		if t := block.CountedThrough(); t <= now { // it can't be later, unless it is spoiled
			e.through = max(e.through, t)
		}
	}
	p.free()
	e.skip(now)
	if e.draining {
		e.settle.Do(func() { close(e.drained) }) // there is nothing to wait for any more
	}
}

// over reports whether no child is to follow.
func (e *Engine) over() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.draining || e.halted()
}

func (e *Engine) halted() bool {
	select {
	case <-e.halt:
		return true
	default:
		return false
	}
}

// heard implements listener.
func (e *Engine) heard(p *process, k kind, body []byte) {
	switch k {
	case ready:
		p.tellReady(nil)
	case drained:
		e.childDrained()
	case refused, failed:
		p.ended = textOf(body)
		p.tellReady(errors.New(p.ended))
	case noted:
		e.passOn(textOf(body))
	}
}

func (e *Engine) childDrained() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.draining {
		e.settle.Do(func() { close(e.drained) })
	}
}

// textOf is a text for the log: of one line, and not too long, whatever the child says.
func textOf(body []byte) string {
	text, err := decodeBody[string](body)
	if err != nil {
		text = err.Error()
	}
	const longest = 4096
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text[:min(len(text), longest)])
}

// passOn notes what a child has noted, unless another one has done so before.
func (e *Engine) passOn(text string) {
	e.mu.Lock()
	heed := !e.told[text] && len(e.told) < maxNotes
	if heed {
		e.told[text] = true
	}
	e.mu.Unlock()
	if heed {
		e.config.Engine.Note(text)
	}
}

// woken implements listener.
func (e *Engine) woken() { e.config.Consumer.Wake() }
