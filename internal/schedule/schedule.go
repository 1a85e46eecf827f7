// Package schedule says when probes are due. Each session has a grid of slots on the monotonic clock:
// slot k is at phase + k x interval, whatever happened to the slots before it. A slot that can't be
// kept is skipped, never sent in a bunch with later ones.
package schedule

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// Grid is the slots of one session: Phase + k x Interval for every k. Grids start at zero of the
// monotonic clock, so a session keeps its place in time when it is removed and added again.
type Grid struct {
	Phase    time.Duration // in [0, Interval)
	Interval time.Duration // more than 0
}

// First is the first slot at or after t.
func (g Grid) First(t clock.Mono) clock.Mono {
	phase, interval := int64(g.Phase), int64(g.Interval)
	if int64(t) <= phase {
		return clock.Mono(phase)
	}
	k := (int64(t) - phase + interval - 1) / interval
	return clock.Mono(phase + k*interval)
}

// Count is how many slots there are from the time from to the time to, both included.
func (g Grid) Count(from, to clock.Mono) int64 {
	first := g.First(from)
	if first > to {
		return 0
	}
	return int64(to-first)/int64(g.Interval) + 1
}

// missed is how many slots, beginning with the one at slot, are more than half an interval ago at now.
func (g Grid) missed(slot, now clock.Mono) int64 {
	late, half := int64(now-slot), int64(g.Interval)/2
	if late <= half {
		return 0
	}
	return (late - half + int64(g.Interval) - 1) / int64(g.Interval)
}

// Spread gives n sessions of the same interval phases evenly over it, so that the prober does not make
// the micro-burst that it looks for.
func Spread(interval time.Duration, n int) []time.Duration {
	phases := make([]time.Duration, n)
	for i := range phases {
		phases[i] = time.Duration(float64(interval) * float64(i) / float64(n))
	}
	return phases
}
