package reflector

import (
	"slices"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// arrival is a probe that was answered and is yet to be published. It points into the packet.
type arrival struct {
	session   *session
	transport measurement.Transport
	ends
	message  textproto.Message // of text
	identity stamp.SessionIdentity
	t1       int64
	at       clock.Wall // T2
	stamp    measurement.TimestampSource
	now      clock.Mono // when it was read
	seq      uint64
	fresh    bool         // not a duplicate, not after it was declared lost
	lost     uint64       // probes that this one shows to be lost: of text
	losses   []match.Lost // of STAMP, in losses of the Reflector
}

// nextArrival is memory for an arrival: that behind those of the batch so far, so that it need not be copied there. It
// holds what an earlier one left.
func (r *Reflector) nextArrival() *arrival {
	r.arrived = slices.Grow(r.arrived, 1)
	return &r.arrived[:len(r.arrived)+1][len(r.arrived)]
}

// addArrival adds what nextArrival gave to the batch. If that was published meanwhile, it begins anew.
func (r *Reflector) addArrival(a *arrival) {
	n := len(r.arrived)
	r.arrived = r.arrived[:n+1]
	if place := &r.arrived[n]; place != a {
		*place = *a
	}
}

// countReceived counts the probes that are about to be answered: together, and so that whoever has an answer finds its
// probe counted.
func (r *Reflector) countReceived() {
	r.counters.Add(selfstats.ProbesReceived, r.received)
	r.received = 0
}

// receive notes a probe that is answered.
func (r *Reflector) receive(a *arrival) {
	r.received++
	if a.stamp == measurement.SourceUser {
		r.counters.Inc(selfstats.RxTimestampsMissing)
	}
}

// arrive accounts for a probe of session x by its number.
func (r *Reflector) arrive(x *session, a *arrival) {
	seq, verdict, reordered, lost := x.window.Arrive(uint64(a.message.Seq), clock.Wall(a.message.Timestamp), a.now)
	x.heard(a.now, verdict == match.Fresh)
	r.tally(verdict, reordered)
	a.session, a.seq, a.fresh, a.lost = x, seq, verdict == match.Fresh, lost
	r.arrived = append(r.arrived, *a)
}

// tally counts a probe by what it turned out to be.
func (r *Reflector) tally(v match.Verdict, reordered bool) {
	if reordered {
		r.counters.Inc(selfstats.ProbesReordered)
	}
	switch v {
	case match.Duplicate:
		r.counters.Inc(selfstats.ProbesDuplicate)
	case match.Late:
		r.counters.Inc(selfstats.ProbesLate)
	}
}

// publishArrived publishes what has been answered, and forgets it.
func (r *Reflector) publishArrived() {
	stepped := r.step.Check() != 0 // the sender's loop counts and tells it
	for i := range r.arrived {
		a := &r.arrived[i]
		r.announce(a)
		r.missed(a.session, match.Lost{Sent: a.at, Last: a.at, Count: a.lost})
		for _, l := range a.losses {
			r.missed(a.session, l)
		}
		switch {
		case !a.fresh:
		case stepped: // T2 may be from before the step and T1 from after it, or the other way round
			r.counters.Inc(selfstats.SamplesAcrossStep)
		default:
			r.publishOWD(a)
		}
	}
	r.config.Ring.Publish()
	r.arrived, r.losses = r.arrived[:0], r.losses[:0]
}

// announce tells the exporter, before the first sample of a session, whose it is. Without room for
// that on the ring it is tried again with the next probe. New names wait for old ends: so at any place
// of the ring the exporter knows no more sessions than there may be.
func (r *Reflector) announce(a *arrival) {
	x := a.session
	if x.announced || !r.tellEnded() {
		return
	}
	if x.flow == nil {
		r.identity = append(append(append(r.identity[:0], a.message.Name...), '|'), a.message.Tags...)
	} else if !r.spellFlow(a) {
		return
	}
	x.announced = r.config.Ring.PushAll(measurement.NamePieces(len(r.identity)), func(i int) measurement.Sample {
		return measurement.NamePiece(x.id, x.transport, r.identity, i)
	})
}

// tellEnded tells the exporter which sessions have ended, as far as there is room on the ring, and
// reports whether that was all. Those that wait were all known at one time, since no new name passes
// them: they are no more than there may be sessions.
func (r *Reflector) tellEnded() (all bool) {
	told := 0
	record := func(int) measurement.Sample {
		return measurement.Sample{Session: r.ended[told], Kind: measurement.KindEnd}
	}
	for told < len(r.ended) && r.config.Ring.PushAll(1, record) {
		told++
	}
	if told > 0 {
		r.ended = r.ended[:copy(r.ended, r.ended[told:])]
	}
	return len(r.ended) == 0
}

// publishOWD writes the one-way delay of a probe to the ring, as it is: negative when the clocks disagree.
func (r *Reflector) publishOWD(a *arrival) {
	s := r.config.Ring.Place()
	if s == nil {
		return
	}
	t1, t2 := a.t1, int64(a.at)
	s.Session, s.Kind, s.Metric = a.session.id, measurement.KindMetric, a.session.transport.Metrics().OWD
	s.Sent, s.Received, s.Seq = measurement.SourceUser, a.stamp, a.seq
	s.Time, s.Value = t2, measurement.OWD(t1, t2)
	s.T1, s.T2, s.T3, s.T4 = t1, t2, 0, 0
}

// missed publishes probes of a session as lost on their way to us. Of text, their times are when that was
// noticed.
func (r *Reflector) missed(x *session, l match.Lost) {
	if l.Count == 0 {
		return
	}
	r.counters.Add(selfstats.ProbesMissing, l.Count)
	r.config.Ring.Push(&measurement.Sample{
		Session: x.id, Kind: measurement.KindMetric, Metric: x.transport.Metrics().Loss,
		Time: int64(l.Sent), Value: int64(l.Count), T4: int64(l.Last),
	})
}

// event publishes a change of state of the reflector.
func (r *Reflector) event(e measurement.Event, detail int64) {
	sample := measurement.NewEvent(0, int64(clock.WallNow()), e, detail)
	r.config.Ring.Push(&sample)
}
