package bench

import (
	"slices"
	"sync"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// recorder is a consumer that keeps when each probe was sent.
type recorder struct {
	mu    sync.Mutex
	rings []*ring.SPSC
	sent  []clock.Wall
}

// AddRing implements isolation.Consumer.
func (r *recorder) AddRing(added *ring.SPSC) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rings = append(r.rings, added)
}

// RemoveRing implements isolation.Consumer.
func (r *recorder) RemoveRing(removed *ring.SPSC) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drain()
	r.rings = slices.DeleteFunc(r.rings, func(other *ring.SPSC) bool { return other == removed })
}

// Wake implements isolation.Consumer. A recorder does not sleep.
func (r *recorder) Wake() {}

func (r *recorder) drain() {
	var batch [256]measurement.Sample
	for _, from := range r.rings {
		for n := from.Pop(batch[:]); n > 0; n = from.Pop(batch[:]) {
			for _, s := range batch[:n] {
				if s.Kind == measurement.KindMetric && s.Metric == measurement.UDPRTT {
					r.sent = append(r.sent, clock.Wall(s.Time))
				}
			}
		}
	}
}

// record drains until probes of n slots at least have been sent, and reports false when they are not in time.
func (r *recorder) record(n int, interval time.Duration) bool {
	for deadline := time.Now().Add(time.Duration(n)*interval + patience); time.Now().Before(deadline); {
		r.mu.Lock()
		r.drain()
		enough := len(r.sent) > 0 && r.sent[len(r.sent)-1].Sub(r.sent[0]) >= time.Duration(n)*interval
		r.mu.Unlock()
		if enough {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

// waits records for each slot of the grid how long after it the next probe left. A slot that was
// skipped waits for the probe of a later one: so a loop that is too late to send looks no better than
// it is.
func (r *recorder) waits(block *selfstats.Block, interval time.Duration) {
	wall, mono := clock.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	last := clock.Mono(0)
	for i, sent := range r.sent {
		at := mono.Add(sent.Sub(wall))
		step := clock.Mono(interval)
		for slot := (last/step + 1) * step; i > 0 && slot <= at; slot += step {
			block.Late(at.Sub(slot))
		}
		last = at
	}
}
