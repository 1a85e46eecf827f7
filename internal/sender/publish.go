package sender

import (
	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// publishRTT publishes the round-trip time of an answered probe: between the kernel's timestamps where
// there are any. Across a step of the wall clock those mean nothing, so then it is the monotonic time
// between our own system calls.
func (s *Sender) publishRTT(x *session, p *match.Probe, r reply) {
	sample := measurement.Sample{
		Session: x.ID, Kind: measurement.KindMetric, Metric: x.Transport.Metrics().RTT, Seq: p.Seq,
		Time: int64(p.T1), Sent: measurement.SourceUser, Received: r.stamp,
		T1: int64(p.T1), T2: r.t2, T4: int64(r.t4),
	}
	if r.stamp == measurement.SourceUser {
		s.counters.Inc(selfstats.RxTimestampsMissing)
	}
	switch {
	case p.Transmitted != 0:
		sample.T1, sample.Sent = int64(p.Transmitted), measurement.SourceKernel
	case s.config.Transmit && x.Transport == measurement.UDP:
		s.counters.Inc(selfstats.TxTimestampsMissing)
	}
	sample.Value = measurement.RTT(sample.T1, sample.T2, 0, sample.T4)
	if p.Epoch != s.step.Epoch() {
		sample.Value = int64(r.read.Sub(p.Sent))
		sample.Sent, sample.Received = measurement.SourceUser, measurement.SourceUser
	}
	s.config.Ring.Push(&sample)
}

// publishLatency publishes the time of one TCP handshake.
func (s *Sender) publishLatency(x *session, p *match.Probe, nanos int64, source measurement.TimestampSource) {
	s.config.Ring.Push(&measurement.Sample{
		Session: x.ID, Kind: measurement.KindMetric, Metric: x.Transport.Metrics().RTT, Seq: p.Seq,
		Time: int64(p.T1), Value: nanos, Sent: source, Received: source, T1: int64(p.T1),
	})
}

// publishLoss publishes one lost probe at the time it was sent.
func (s *Sender) publishLoss(x *session, p *match.Probe) {
	s.config.Ring.Push(&measurement.Sample{
		Session: x.ID, Kind: measurement.KindMetric, Metric: x.Transport.Metrics().Loss, Seq: p.Seq,
		Time: int64(p.T1), Value: 1, Sent: measurement.SourceUser, T1: int64(p.T1),
	})
}

// event publishes a change of state of a session; nil stands for the loop itself.
func (s *Sender) event(x *session, e measurement.Event, detail int64) {
	var id measurement.SessionID
	if x != nil {
		id = x.ID
	}
	sample := measurement.NewEvent(id, int64(clock.WallNow()), e, detail)
	s.config.Ring.Push(&sample)
}
