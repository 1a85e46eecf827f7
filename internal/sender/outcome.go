package sender

import (
	"syscall"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// reply is what a reply says besides its number.
type reply struct {
	t2    int64      // when the reflector received the probe, by its clock; 0 = unknown
	t3    int64      // when it replied, by its clock; 0 = unknown
	t4    clock.Wall // when the reply arrived
	stamp measurement.TimestampSource
	read  clock.Mono // the same by the monotonic clock: when we read it, less how long it had waited
}

// arrival is when what is read now, at wall and mono, arrived. The kernel's time tells how long it waited, unless that
// is longer than we let it: then the wall clock was set meanwhile, or we were not running.
func (s *Sender) arrival(at clock.Wall, stamp measurement.TimestampSource, wall clock.Wall, mono clock.Mono) clock.Mono {
	if stamp == measurement.SourceUser {
		s.untimed = true
		return mono
	}
	s.timed = true
	if waited := wall.Sub(at); 0 <= waited && waited <= replyPatience {
		return mono.Add(-waited)
	}
	return mono
}

// answered settles the probe of a session in text, or over TCP, that a reply with this number answers.
func (s *Sender) answered(x *session, number uint64, r reply) match.Verdict {
	p, verdict := s.settle(x, &x.text, number, r)
	if verdict == match.Fresh && x.RTT {
		s.publishRTT(x, s.measured(x, &x.text, &p, r), &p, r)
	}
	return verdict
}

// settle finds the probe of a flow that a reply with this number answers, and counts what the reply is.
// A Fresh one is to be measured.
func (s *Sender) settle(x *session, f *flow, number uint64, r reply) (match.Probe, match.Verdict) {
	p, verdict, reordered := f.table.Match(&match.Reply{
		Number: number, T2: clock.Wall(r.t2), T4: r.t4, Epoch: s.step.Epoch(), Read: r.read,
	})
	switch verdict {
	case match.Unmatched:
		s.counters.Inc(selfstats.RepliesUnmatched)
		return p, verdict
	case match.Duplicate:
		s.counters.Inc(selfstats.RepliesDuplicate)
		return p, verdict
	case match.Unasked: // the target does not know how to be asked for none
		s.counters.Inc(selfstats.RepliesUnmatched)
		s.heard(x, f.count(p.Seq), r.read)
		return p, verdict
	case match.Ambiguous:
		s.counters.Inc(selfstats.RepliesAmbiguous)
		s.counters.Inc(selfstats.ProbesAnswered)
		s.heard(x, f.count(p.Seq), r.read)
		return p, verdict
	}
	if reordered {
		s.counters.Inc(selfstats.RepliesReordered)
	}
	switch verdict {
	case match.Late:
		s.counters.Inc(selfstats.RepliesLate)
	case match.Overdue:
		s.overdue(x, f, &p, r.read)
	default:
		s.counters.Inc(selfstats.ProbesAnswered)
		s.heard(x, f.count(p.Seq), r.read)
	}
	return p, verdict
}

// overdue settles a probe whose answer came after the timeout, but before we had looked.
func (s *Sender) overdue(x *session, f *flow, p *match.Probe, now clock.Mono) {
	s.lose(x, f, p, now)
	s.counters.Inc(selfstats.RepliesLate)
}

// heard notes that the target answered the session's probe seq.
func (s *Sender) heard(x *session, seq uint64, now clock.Mono) {
	x.lostRun = 0
	x.answered = max(x.answered, seq+1)
	if x.state != answering && x.steady(now) {
		x.state, x.errno, x.changed = answering, 0, now
		s.event(x, measurement.EventAnswering, 0)
	}
}

// steady reports whether a session has been in its state for long enough to tell that trouble is over,
// or is another one now.
func (x *session) steady(now clock.Mono) bool {
	return x.state == unknown || now.Sub(x.changed) >= calm
}

// expire settles probes whose timeout is over.
func (s *Sender) expire(x *session, now clock.Mono) {
	if x.text.table != nil {
		s.expireFlow(x, &x.text, now)
	}
	if x.stamp != nil {
		s.expireFlow(x, &x.stamp.flow, now)
		s.split(x)
	}
}

func (s *Sender) expireFlow(x *session, f *flow, now clock.Mono) {
	for {
		p, ok := f.table.Expire(now)
		if !ok {
			return
		}
		s.lose(x, f, &p, now)
		if x.Transport == measurement.TCP && x.lostRun >= x.MaxLost {
			s.disconnect(x, now, int64(syscall.ETIMEDOUT))
		}
	}
}

// lose settles a probe of a flow as lost.
func (s *Sender) lose(x *session, f *flow, p *match.Probe, now clock.Mono) {
	s.counters.Inc(selfstats.ProbesLost)
	s.hangUp(x, p.Seq)
	if x.RTT {
		s.publishLoss(x, f, p)
	}
	if x.stamp != nil && f == &x.stamp.flow {
		s.loseStamp(x, p)
	}
	if f.count(p.Seq) < x.answered {
		return // of an outage that is over: later probes were answered
	}
	x.lostRun++
	// Of a TCP session its connection's events tell.
	if x.lostRun >= x.MaxLost && x.state != silent && !x.knowsWhy(now) && x.Transport != measurement.TCP {
		x.state, x.changed = silent, now
		s.event(x, measurement.EventSilent, 0)
	}
}

// knowsWhy reports whether errors say that the target can't be reached. The network sends few of them, so
// most probes are lost without.
func (x *session) knowsWhy(now clock.Mono) bool {
	return x.state == unreachable && now.Sub(x.blockedAt) < errorsLast
}

// bounced settles a probe of a flow that the network or the peer sent back with an error.
func (s *Sender) bounced(x *session, f *flow, number uint64, known bool, errno int64) {
	now := clock.MonoNow()
	s.counters.Inc(selfstats.Unreachable)
	s.blocked(x, errno, now)
	if known { // else its timeout will settle it
		if p, ok := f.table.Unreachable(number, now); ok {
			s.lose(x, f, &p, now)
		}
	}
	if x.stamp != nil && f == &x.stamp.flow {
		x.stamp.lostRun = max(x.stamp.lostRun, x.MaxLost) // that is as good as losses
	}
}

// blocked notes that the target can't be reached.
func (s *Sender) blocked(x *session, errno int64, now clock.Mono) {
	x.blockedAt = now
	if x.state != unreachable || x.errno != errno && x.steady(now) {
		x.state, x.errno, x.changed = unreachable, errno, now
		s.event(x, measurement.EventUnreachable, errno)
	}
}

// checkStep notices when the wall clock was set.
func (s *Sender) checkStep() {
	if by := s.step.Check(); by != 0 {
		s.counters.Inc(selfstats.ClockSteps)
		s.event(nil, measurement.EventClockStep, int64(by))
	}
}
