package sender

import (
	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// counting is what is known of how the far end numbers its replies. A stateful reflector counts them
// from 0; a stateless one copies our number, and all loss would look like loss on the way back (RFC 8762
// section 4.2). The Direct Measurement TLV tells (RFC 8972 section 4.5): how many probes came there.
// Where that is ahead of the number by the same from reply to reply, the number counts what came too.
type counting struct {
	state  countingState
	ahead  uint32 // by how much what came there is ahead of the number
	steady int    // replies since that changed
}

type countingState uint8

const (
	undecided countingState = iota // no reply yet, or not for long enough
	counts
	copies // or it does not tell
)

// steadyReplies is for how many replies nothing may change before an undecided reflector counts again.
const steadyReplies = 16

// learn takes a reply with our number, the reflector's, and how many probes it says that it received.
func (c *counting) learn(number, reflector, received uint32) {
	ahead := received - reflector
	first := *c == counting{}
	switch {
	case first:
		c.state, c.steady = counts, 0
	case ahead != c.ahead && reflector == number: // what came there is less, and the number goes on
		c.state, c.steady = copies, 0
	case ahead != c.ahead || c.state == copies && reflector != number:
		c.state, c.steady = undecided, 0
	default:
		if c.steady++; c.state == undecided && c.steady >= steadyReplies {
			c.state = counts
		}
	}
	c.ahead = ahead
}

// unknown takes a reply without a Direct Measurement TLV that was understood.
func (c *counting) unknown() { *c = counting{state: copies} }

// split tells of losses on which way they were, as far as that is known. What it publishes adds up to
// what was published as lost, but for losses that no reply has followed yet, or ever does, and those of
// reflectors that do not count.
func (s *Sender) split(x *session) {
	w := x.stamp
	if w.directions == nil {
		return
	}
	switch w.counting.state {
	case copies:
		w.directions.Forget()
	case counts:
		for {
			split, ok := w.directions.Split(w.table.Frontier())
			if !ok {
				return
			}
			s.loses(&split)
			s.publishSplit(x, &split)
			if first, more := w.directions.First(); more {
				w.firstLost = w.t1Of(first)
			}
		}
	}
}

// loses counts lost probes by direction.
func (s *Sender) loses(split *match.Split) {
	s.counters.Add(selfstats.LostForward, split.Forward)
	s.counters.Add(selfstats.LostBackward, split.Backward)
}

// splitRecords is how many records the losses between two replies make, or a few more: of a long outage
// each stands for several.
const splitRecords = 256

// publishSplit publishes losses with their direction. Of those of one gap only the sums are known: the
// first are taken to be those on the way out. The beginning of a long outage may be forgotten; its losses
// are published evenly from the first one to the first that is remembered.
func (s *Sender) publishSplit(x *session, split *match.Split) {
	w := x.stamp
	total, known := split.Forward+split.Backward, uint64(0)
	next, _ := w.table.Next()
	from := max(split.From+1, next-min(next, uint64(w.table.Cap())))
	for seq := from; seq <= split.To; seq++ {
		if w.directions.WasLost(seq) {
			known++
		}
	}
	p := splitPublisher{Sender: s, session: x, forward: split.Forward, group: total/splitRecords + 1}
	p.lose(total-min(total, known), from, w.firstLost, w.t1Of(from))
	rest := min(total, known)
	for seq := from; rest > 0 && seq <= split.To; seq++ {
		if w.directions.WasLost(seq) {
			t1 := w.t1Of(seq)
			p.lose(1, seq, t1, t1)
			rest--
		}
	}
	p.flush()
}

// t1Of is when a probe was sent, or the first loss if that is not remembered.
func (w *stamper) t1Of(seq uint64) clock.Wall {
	if p, ok := w.table.Find(uint64(uint32(seq))); ok {
		return p.T1
	}
	return w.firstLost
}

// splitPublisher publishes losses of one gap one after the other, in groups.
type splitPublisher struct {
	*Sender
	session *session
	forward uint64 // of those that are left
	group   uint64
	sample  measurement.Sample
}

// lose takes n losses, of probes that were sent from first to last.
func (p *splitPublisher) lose(n, seq uint64, first, last clock.Wall) {
	out := min(n, p.forward)
	p.forward -= out
	p.add(measurement.UDPLossForward, out, seq, first, last)
	p.add(measurement.UDPLossBackward, n-out, seq, first, last)
}

func (p *splitPublisher) add(m measurement.Metric, n, seq uint64, first, last clock.Wall) {
	if n == 0 {
		return
	}
	if p.sample.Metric != m {
		p.flush()
	}
	if p.sample.Value == 0 {
		p.sample = measurement.Sample{
			Session: p.session.ID, Kind: measurement.KindMetric, Metric: m, Seq: p.session.stamp.count(seq),
			Time: int64(first), Sent: measurement.SourceUser, T1: int64(first),
		}
	}
	p.sample.Value += int64(n)
	p.sample.T4 = int64(last)
	if uint64(p.sample.Value) >= p.group {
		p.flush()
	}
}

func (p *splitPublisher) flush() {
	if p.sample.Value > 0 {
		p.config.Ring.Push(&p.sample)
		p.sample.Value = 0
	}
}
