package sender

import (
	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// readStamp takes a datagram that is no text.
func (s *Sender) readStamp(x *session, p *packetio.Packet, now clock.Mono) {
	w := x.stamp
	m, err := w.codec.DecodeReflector(p.Data)
	switch err {
	case nil:
	case stamp.ErrHMAC:
		s.counters.Inc(selfstats.RepliesForged)
		return
	default:
		s.counters.Inc(selfstats.RepliesMalformed)
		return
	}
	probe, ok := w.table.Find(uint64(m.SenderSeq))
	if !ok || !w.echoes(&m, &probe) {
		s.counters.Inc(selfstats.RepliesUnmatched)
		return
	}
	s.answeredStamp(x, &m, s.replyOf(w, &m, p, now), &probe)
}

// echoes reports whether a reply is to this probe of this session: it has the probe's T1, and the SSID
// unless the reflector knows none. That keeps out replies to probes of before STAMP began anew, and of
// those who guess.
func (w *stamper) echoes(m *stamp.ReflectorPacket, probe *match.Probe) bool {
	return m.T1 == w.t1(probe.T1) && (m.SSID == w.ssid || m.SSID == 0)
}

// replyOf reads a reply's times. T2 and T3 are in the reflector's format.
func (s *Sender) replyOf(w *stamper, m *stamp.ReflectorPacket, p *packetio.Packet, now clock.Mono) reply {
	return reply{
		t2: w.unix(m.T2, m.ErrorEstimate, p.At), t3: w.unix(m.T3, m.ErrorEstimate, p.At),
		t4: p.At, stamp: p.Stamp, read: now,
	}
}

// unix reads a time of the far end, near one of ours; 0 = unknown.
func (w *stamper) unix(t stamp.Timestamp, e stamp.ErrorEstimate, near clock.Wall) int64 {
	if t == 0 {
		return 0
	}
	nanos, err := e.Format().UnixNanos(t, int64(near), w.config.UTCOffset)
	if err != nil {
		return 0
	}
	return nanos
}

// answeredStamp settles the probe that a reply answers, and takes what else it says.
func (s *Sender) answeredStamp(x *session, m *stamp.ReflectorPacket, r reply, probe *match.Probe) {
	w := x.stamp
	p, verdict := s.settle(x, &w.flow, uint64(m.SenderSeq), r)
	if verdict == match.Duplicate {
		if w.directions != nil {
			w.directions.Repeated(probe.Seq, m.Seq)
		}
		return
	}
	w.heardStamp(probe.Seq)
	if w.directions != nil {
		w.directions.Answered(probe.Seq, m.Seq)
	}
	if verdict == match.Unasked && probe.Seq >= w.judgedFrom { // also where no TLV comes back that would say so
		w.refuse(returnPath)
	}
	s.readTLVs(x, m, probe.Seq, r.read)
	if m.TTL != 0 && w.ttl.take(m.TTL, r.read) {
		s.event(x, measurement.EventTTL, int64(m.TTL))
	}
	if verdict == match.Fresh {
		s.publishAnswer(x, &p, r)
	}
}

// publishAnswer publishes what an answered STAMP probe measured.
func (s *Sender) publishAnswer(x *session, p *match.Probe, r reply) {
	w := x.stamp
	owd := x.OWD == measurement.OWDAlways || x.OWD == measurement.OWDAuto && w.identity != keeps
	if !x.RTT && !owd {
		return
	}
	sample := s.measured(x, &w.flow, p, r)
	if !s.plausible(&sample, p, r) {
		s.counters.Inc(selfstats.RepliesImplausible)
		sample.T2, sample.T3 = 0, 0
	}
	if x.RTT {
		s.publishRTT(x, sample, p, r)
	}
	if owd {
		s.publishOWD(sample, p)
	}
}

// plausible reports whether the time inside the reflector can be true: it is not negative and not
// longer than the whole round trip. Else the far end's clock was set in between, or is none. Then
// neither T2 nor T3 is used: what remains true is T4 - T1, the round trip with all that is in it.
func (s *Sender) plausible(sample *measurement.Sample, p *match.Probe, r reply) bool {
	if sample.T2 == 0 || sample.T3 == 0 {
		return true
	}
	whole := sample.T4 - sample.T1
	if p.Epoch != s.step.Epoch() {
		whole = int64(r.read.Sub(p.Sent))
	}
	residence := sample.T3 - sample.T2
	return 0 <= residence && residence <= whole
}

// readTLVs takes what the reply to probe seq says in its TLVs.
func (s *Sender) readTLVs(x *session, m *stamp.ReflectorPacket, seq uint64, now clock.Mono) {
	w := x.stamp
	if err := w.codec.VerifyTLVs(m); err != nil {
		known := knowsHMAC(m.TLVs)
		if known || malformed(m.TLVs) {
			s.counters.Inc(selfstats.RepliesBadTLVs)
		}
		if !known && seq >= w.judgedFrom {
			w.identity = ignores
			w.refuse(answeredTLVs | returnPath)
		}
		return
	}
	var understood, not tlvSet
	for tlv, err := range stamp.TLVs(m.TLVs) {
		if err != nil || tlv.Flags&stamp.FlagMalformed != 0 {
			s.counters.Inc(selfstats.RepliesBadTLVs)
			return
		}
		if tlv.Flags&stamp.FlagUnrecognized != 0 {
			not |= setOf(tlv.Type)
			continue
		}
		understood |= setOf(tlv.Type)
		s.readTLV(x, m, &tlv, now)
	}
	if understood&directMeasurement == 0 {
		w.counting.unknown()
	}
	if seq >= w.judgedFrom {
		w.judge(understood, not)
	}
}

// knowsHMAC reports whether the far end knows the HMAC TLV, and did not send it back as it came.
func knowsHMAC(tlvs []byte) bool {
	for tlv, err := range stamp.TLVs(tlvs) {
		if err == nil && tlv.Type == stamp.TypeHMAC {
			return tlv.Flags&stamp.FlagUnrecognized == 0 || tlv.Flags&stamp.FlagIntegrity != 0
		}
	}
	return false
}

// malformed reports whether a TLV is, or is said to be.
func malformed(tlvs []byte) bool {
	for tlv, err := range stamp.TLVs(tlvs) {
		if err != nil || tlv.Flags&stamp.FlagMalformed != 0 {
			return true
		}
	}
	return false
}

// readTLV takes one that the far end understood. Values of another length than theirs say nothing.
func (s *Sender) readTLV(x *session, m *stamp.ReflectorPacket, tlv *stamp.TLV, now clock.Mono) {
	w := x.stamp
	switch tlv.Type {
	case stamp.TypeSessionIdentity:
		w.noteKept()
	case stamp.TypeDirectMeasurement:
		if d, err := stamp.DecodeDirectMeasurement(tlv.Value); err == nil {
			w.counting.learn(m.SenderSeq, m.Seq, d.ReflectorRx)
		}
	case stamp.TypeClassOfService:
		if c, err := stamp.DecodeClassOfService(tlv.Value); err == nil {
			s.arrivedAs(x, c.DSCP2<<2|c.ECN, now)
		}
	}
}

// arrivedAs takes the TOS octet that the far end saw.
func (s *Sender) arrivedAs(x *session, tos uint8, now clock.Mono) {
	sent := x.DSCP << 2
	if tos != sent {
		s.counters.Inc(selfstats.Remarked)
	}
	if x.stamp.tos.take(tos, now) {
		s.event(x, measurement.EventRemarked, int64(sent)<<8|int64(tos))
	}
}
