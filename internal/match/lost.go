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

// Lost is probes that are lost and that were sent one after the other, without one between them that
// arrived: evenly from the first to the last.
type Lost struct {
	Sent  clock.Wall // when the first of them was sent
	Last  clock.Wall // when the last of them was sent
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

// loseFirst declares the first n probes of a gap lost, those of each second together.
func (s *Sequence) loseFirst(n uint64, g *gap, at clock.Mono, lost []Lost) []Lost {
	period := time.Second
	if g.span > spread*time.Second {
		period += (g.span / spread).Truncate(time.Second)
	}
	for i := uint64(1); i <= n; {
		sent := g.sent(i)
		next := min(max(g.before(sent+clock.Wall(period)-sent%clock.Wall(period)), i), n)
		lost = s.lose(Lost{sent, g.sent(next), next - i + 1}, at, lost)
		i = next + 1
	}
	return lost
}

// loseOne declares a probe lost that was sent at a time.
func (s *Sequence) loseOne(sent clock.Wall, at clock.Mono, lost []Lost) []Lost {
	return s.lose(Lost{sent, sent, 1}, at, lost)
}

// lose declares probes lost, as far as it may.
func (s *Sequence) lose(l Lost, at clock.Mono, lost []Lost) []Lost {
	l.Count = min(l.Count, s.allowed(at))
	if l.Count == 0 {
		return lost
	}
	s.declared += l.Count
	return append(lost, l)
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
