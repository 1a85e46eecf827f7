package match

import (
	"math/bits"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// spread is over how many seconds the losses of one gap are told apart; those of a longer one, by
// longer periods.
const spread = 600

// MostLosses is how many Lost one call of a Sequence appends at most.
const MostLosses = spread + 2 + 2*sequenceSize

// Lost is probes that are lost and that were sent in the same second.
type Lost struct {
	Sent  clock.Wall // when the first of them was sent
	Count uint64
}

// gap is the time between two probes that arrived, in which those between them were sent.
type gap struct {
	from clock.Wall
	span time.Duration // not negative
	step uint64        // by how many seqs they are apart
}

// gap is the one between head and a probe ahead of it. The time that the sender wrote into them counts,
// unless its clock was set meanwhile.
func (s *Sequence) gap(seq uint64, p *Sighting) gap {
	to := p.sent()
	span, ours := to.Sub(s.sent), max(p.At.Sub(s.at), 0)
	if span < 0 || span > ours+longestStall {
		span = ours
	}
	return gap{from: to - clock.Wall(span), span: span, step: seq - s.head}
}

// sent is about when the probe was sent that is i seqs into the gap.
func (g *gap) sent(i uint64) clock.Wall { return g.from + clock.Wall(share(uint64(g.span), i, g.step)) }

// before is how many seqs into the gap the last probe is that was sent before a time, which is later
// than from.
func (g *gap) before(t clock.Wall) uint64 {
	after := uint64(t.Sub(g.from))
	if after > uint64(g.span) {
		return g.step
	}
	hi, lo := bits.Mul64(g.step, after) // the probe sent at t has at least this many spans before it
	lo, borrow := bits.Sub64(lo, 1, 0)
	n, _ := bits.Div64(hi-borrow, lo, uint64(g.span))
	return n
}

// share is a part of n, as part is of whole.
func share(n, part, whole uint64) uint64 {
	hi, lo := bits.Mul64(n, min(part, whole))
	quotient, _ := bits.Div64(hi, lo, whole)
	return quotient
}

// loseFirst declares the first n probes of a gap lost, by the seconds in which they were sent.
func (s *Sequence) loseFirst(n uint64, g *gap, at clock.Mono, lost []Lost) []Lost {
	period := time.Second
	if g.span > spread*time.Second {
		period += (g.span / spread).Truncate(time.Second)
	}
	for i := uint64(1); i <= n; {
		sent := g.sent(i)
		next := min(max(g.before(sent+clock.Wall(period)-sent%clock.Wall(period)), i), n)
		lost = s.lose(next-i+1, sent, at, lost)
		i = next + 1
	}
	return lost
}

// lose declares n probes lost that were sent at a time, as far as it may.
func (s *Sequence) lose(n uint64, sent clock.Wall, at clock.Mono, lost []Lost) []Lost {
	n = min(n, s.allowed(at))
	if n == 0 {
		return lost
	}
	s.declared += n
	if i := len(lost) - 1; i >= 0 && lost[i].Sent/1e9 == sent/1e9 {
		lost[i].Count += n
		return lost
	}
	return append(lost, Lost{Sent: sent, Count: n})
}

// allowed bounds the losses that a sender can make us declare, as Window.declare does: by the probes
// that really arrived, and by the time since the first one.
func (s *Sequence) allowed(at clock.Mono) uint64 {
	sent := slots(at.Sub(s.began) + time.Second)
	bound := min(lossesPerProbe*s.received, sent-min(sent, s.received))
	return bound - min(bound, s.declared)
}

// slots is how many probes a sender can have sent in a time, as is believed: twice as many as at the
// shortest interval.
func slots(d time.Duration) uint64 { return uint64(d / (minInterval / 2)) }
