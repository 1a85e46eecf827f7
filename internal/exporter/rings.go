package exporter

import (
	"slices"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// source is one ring and what it told about its reflected sessions.
type source struct {
	ring      *ring.SPSC
	reflected reflected
	left      chan struct{} // closed by the exporter's goroutine when it has let go of the ring
	leaving   bool          // guarded by the Exporter's mu
}

// ringCounts is what rings lost.
type ringCounts struct{ dropped, corrupted uint64 }

// AddRing adds a ring to drain. From now on only the exporter may pop from it. Call it before anything
// is pushed through r. If the ring's producer has another view of it, in another process, that one
// must see to it that Wake is called when it finds the exporter asleep (ring.SPSC.OnSleeper).
func (e *Exporter) AddRing(r *ring.SPSC) {
	r.OnSleeper(e.Wake)
	added := &source{ring: r, left: make(chan struct{}), reflected: reflected{
		byID: map[measurement.SessionID]*names{}, limit: e.config.MaxReflected, target: e.config.Name,
	}}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rings = append(e.rings[:len(e.rings):len(e.rings)], added)
	e.Wake()
}

// RemoveRing drains a ring, which nobody may push to any more, and lets go of it: when RemoveRing
// returns, the ring's memory may be freed. It waits for Run, or does so itself when Run is over, and
// does nothing for a ring that is not there. What the ring lost stays in Counters.
func (e *Exporter) RemoveRing(r *ring.SPSC) {
	src := e.markLeaving(r)
	if src == nil {
		return
	}
	e.Wake()
	select {
	case <-src.left:
	case <-e.ended:
		e.letGo([]*source{src})
	}
}

func (e *Exporter) markLeaving(r *ring.SPSC) *source {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.rings, func(src *source) bool { return src.ring == r })
	if i < 0 {
		return nil
	}
	e.rings[i].leaving = true
	return e.rings[i]
}

// letGo forgets the rings that were leaving when the drain began that is over now: a drain moves a
// whole capacity of a ring, so they are empty.
func (e *Exporter) letGo(leaving []*source) {
	if len(leaving) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var rest []*source
	for _, src := range e.rings {
		if !slices.Contains(leaving, src) {
			rest = append(rest, src)
			continue
		}
		e.gone.dropped += src.ring.Dropped()
		e.gone.corrupted += src.ring.Corrupted()
		close(src.left)
	}
	e.rings = rest
}

// Wake ends the exporter's sleep, the present one or the next. It does not block and may be called
// from anywhere.
func (e *Exporter) Wake() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// ringCounts is what the rings lost, those that are and those that were.
func (e *Exporter) ringCounts() ringCounts {
	e.mu.Lock()
	defer e.mu.Unlock()
	lost := e.gone
	for _, src := range e.rings {
		lost.dropped += src.ring.Dropped()
		lost.corrupted += src.ring.Corrupted()
	}
	return lost
}

// sources gives the rings to drain, and which of them are leaving.
func (e *Exporter) sources() (all, leaving []*source) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, src := range e.rings {
		if src.leaving {
			leaving = append(leaving, src)
		}
	}
	return e.rings, leaving
}

// fallAsleep asks all rings' producers to wake us, and reports whether we may sleep: not if one
// pushed meanwhile.
func (e *Exporter) fallAsleep() bool {
	all, _ := e.sources()
	for _, src := range all {
		e.asleep = true
		if !src.ring.Sleep() {
			e.wakeUp()
			return false
		}
	}
	return true
}

// wakeUp tells the producers that they need not wake us.
func (e *Exporter) wakeUp() {
	if !e.asleep {
		return
	}
	e.asleep = false
	all, _ := e.sources()
	for _, src := range all {
		src.ring.Wake()
	}
}
