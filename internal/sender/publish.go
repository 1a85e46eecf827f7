package sender

import (
	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// measured makes a sample of an answered probe, without metric and value. Its T1 is the kernel's
// transmit timestamp where there is one.
func (s *Sender) measured(x *session, f *flow, p *match.Probe, r reply) measurement.Sample {
	sample := measurement.Sample{
		Session: x.ID, Kind: measurement.KindMetric, Seq: f.count(p.Seq),
		Time: int64(p.T1), Sent: measurement.SourceUser, Received: r.stamp,
		T1: int64(p.T1), T2: r.t2, T3: r.t3, T4: int64(r.t4),
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
	return sample
}

// publishRTT publishes the round-trip time of an answered probe, without the time inside the reflector
// where that is known. Across a step of the wall clock our timestamps mean nothing, so then it is the
// monotonic time between our own system calls that counts.
func (s *Sender) publishRTT(x *session, sample measurement.Sample, p *match.Probe, r reply) {
	sample.Metric = x.Transport.Metrics().RTT
	sample.Value = measurement.RTT(sample.T1, sample.T2, sample.T3, sample.T4)
	if p.Epoch != s.step.Epoch() {
		sample.Value = measurement.RTT(int64(p.Sent), sample.T2, sample.T3, int64(r.read))
		sample.Sent, sample.Received = measurement.SourceUser, measurement.SourceUser
	}
	s.config.Ring.Push(&sample)
}

// publishOWD publishes the one-way delays that a STAMP reply tells, negative or not. Across a step of
// our wall clock there are none.
func (s *Sender) publishOWD(sample measurement.Sample, p *match.Probe) {
	delays := [...]struct {
		metric   measurement.Metric
		from, to int64
	}{
		{measurement.UDPOWDForward, sample.T1, sample.T2}, {measurement.UDPOWDBackward, sample.T3, sample.T4},
	}
	for _, d := range delays {
		switch {
		case d.from == 0 || d.to == 0:
		case p.Epoch != s.step.Epoch():
			s.counters.Inc(selfstats.SamplesAcrossStep)
		default:
			sample.Metric, sample.Value = d.metric, measurement.OWD(d.from, d.to)
			s.config.Ring.Push(&sample)
		}
	}
}

// publishLatency publishes the time of one TCP handshake.
func (s *Sender) publishLatency(x *session, p *match.Probe, nanos int64, source measurement.TimestampSource) {
	s.config.Ring.Push(&measurement.Sample{
		Session: x.ID, Kind: measurement.KindMetric, Metric: x.Transport.Metrics().RTT, Seq: p.Seq,
		Time: int64(p.T1), Value: nanos, Sent: source, Received: source, T1: int64(p.T1),
	})
}

// publishLoss publishes one lost probe at the time it was sent.
func (s *Sender) publishLoss(x *session, f *flow, p *match.Probe) {
	s.config.Ring.Push(&measurement.Sample{
		Session: x.ID, Kind: measurement.KindMetric, Metric: x.Transport.Metrics().Loss, Seq: f.count(p.Seq),
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
