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
	t2    int64      // when the reflector received the probe, by its clock
	t4    clock.Wall // when the reply arrived
	stamp measurement.TimestampSource
	read  clock.Mono // when we read it
}

// answered settles the probe that a reply with this number answers.
func (s *Sender) answered(x *session, number uint64, r reply) {
	p, verdict, reordered := x.table.Match(&match.Reply{
		Number: number, T2: clock.Wall(r.t2), T4: r.t4, Epoch: s.step.Epoch(), Read: r.read,
	})
	switch verdict {
	case match.Unmatched:
		s.counters.Inc(selfstats.RepliesUnmatched)
		return
	case match.Duplicate:
		s.counters.Inc(selfstats.RepliesDuplicate)
		return
	case match.Ambiguous:
		s.counters.Inc(selfstats.RepliesAmbiguous)
		s.counters.Inc(selfstats.ProbesAnswered)
		s.heard(x, p.Seq, r.read)
		return
	}
	if reordered {
		s.counters.Inc(selfstats.RepliesReordered)
	}
	switch verdict {
	case match.Late:
		s.counters.Inc(selfstats.RepliesLate)
	case match.Overdue:
		s.overdue(x, &p, r.read)
	default:
		s.counters.Inc(selfstats.ProbesAnswered)
		s.heard(x, p.Seq, r.read)
		if x.RTT {
			s.publishRTT(x, &p, r)
		}
	}
}

// overdue settles a probe whose answer came after the timeout, but before we had looked.
func (s *Sender) overdue(x *session, p *match.Probe, now clock.Mono) {
	s.lose(x, p, now)
	s.counters.Inc(selfstats.RepliesLate)
}

// heard notes that the target answered probe seq.
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
	for {
		p, ok := x.table.Expire(now)
		if !ok {
			return
		}
		s.lose(x, &p, now)
		if x.Transport == measurement.TCP && x.lostRun >= x.MaxLost {
			s.disconnect(x, now, int64(syscall.ETIMEDOUT))
		}
	}
}

// lose settles a probe as lost.
func (s *Sender) lose(x *session, p *match.Probe, now clock.Mono) {
	s.counters.Inc(selfstats.ProbesLost)
	s.hangUp(x, p.Seq)
	if x.RTT {
		s.publishLoss(x, p)
	}
	if p.Seq < x.answered {
		return // of an outage that is over: later probes were answered
	}
	x.lostRun++
	// Of a TCP session its connection's events tell.
	if x.lostRun == x.MaxLost && x.state != silent && x.state != unreachable && x.Transport != measurement.TCP {
		x.state, x.changed = silent, now
		s.event(x, measurement.EventSilent, 0)
	}
}

// bounced settles a probe that the network or the peer sent back with an error.
func (s *Sender) bounced(x *session, number uint64, known bool, errno int64) {
	now := clock.MonoNow()
	s.counters.Inc(selfstats.Unreachable)
	s.blocked(x, errno, now)
	if !known {
		return // its timeout will settle it
	}
	if p, ok := x.table.Unreachable(number, now); ok {
		s.lose(x, &p, now)
	}
}

// blocked notes that the target can't be reached.
func (s *Sender) blocked(x *session, errno int64, now clock.Mono) {
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
