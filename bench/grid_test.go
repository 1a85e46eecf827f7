package bench

import (
	"slices"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// early is how much before its slot a probe may leave and still be that slot's: those that are due within a few tens
// of µs leave in one system call.
const early = 25 * time.Microsecond

// grid is the slots of one target: phase + k x interval on CLOCK_MONOTONIC.
type grid struct {
	phase, interval time.Duration
}

// slot is the number of the slot that a probe sent at t is for.
func (g grid) slot(t clock.Mono) int64 {
	return int64(t.Add(early-g.phase)) / int64(g.interval)
}

func (g grid) time(slot int64) clock.Mono {
	return clock.Mono(int64(g.phase) + slot*int64(g.interval))
}

// pace is how well slots were kept.
type pace struct {
	waits   []time.Duration // of each slot: from its time until the next probe left
	skipped int             // slots in which none left
}

// add adds the slots between two times, of which sent are the times of all probes, in any order. A slot that was
// skipped waits for the probe of a later one: so a loop that is too late to send looks no better than it is.
func (p *pace) add(g grid, sent []clock.Mono, from, to clock.Mono) {
	slices.Sort(sent)
	for slot := g.slot(from) + 1; g.time(slot) < to; slot++ {
		for len(sent) > 0 && g.slot(sent[0]) < slot {
			sent = sent[1:]
		}
		next := to
		if len(sent) > 0 {
			next = sent[0]
		}
		p.waits = append(p.waits, next.Sub(g.time(slot)))
		if len(sent) == 0 || g.slot(sent[0]) != slot {
			p.skipped++
		}
	}
}

// wake adds a wake-up that came late, of a loop that has one per interval and goes on with the first that is still
// to come. What it slept through waited too, and a daemon would have sent in none of those slots that it was late
// for by more than half an interval.
func (p *pace) wake(late, interval time.Duration) (slots int) {
	for ; slots == 0 || late > 0; late -= interval {
		p.waits = append(p.waits, late)
		if late > interval/2 {
			p.skipped++
		}
		slots++
	}
	return slots
}

// perSlot is the share of slots that were skipped.
func (p *pace) perSlot() float64 {
	return float64(p.skipped) / float64(max(1, len(p.waits)))
}

// quantile is of the waits, in ns. They need not be sorted.
func (p *pace) quantile(q float64) float64 {
	return float64(quantile(slices.Sorted(slices.Values(p.waits)), q))
}
