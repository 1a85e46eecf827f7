package reflector

import (
	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

const (
	// replyTTL is the TTL or hop limit of replies: the session-sender sees how far it is.
	replyTTL = 255
	// shortReply is the smallest request that is answered at its own length: the last octet of the reply
	// is the TTL then, as in TWAMP Light (RFC 5357 section 4.2.1).
	shortReply = 41
)

// stampRequest is a session-sender packet that may have an answer.
type stampRequest struct {
	stamp.SenderPacket
	codec *stamp.Codec // for the reply; nil: it must not be answered
	key   flowKey
	t1    int64 // nanoseconds since the Unix epoch
	reply stamp.Reply
}

// readStamp decodes a request. What is none, or must not be answered, has no codec, but a counter.
func (r *Reflector) readStamp(p *packetio.Packet, q *stampRequest) (refused selfstats.Counter) {
	if q.codec, refused = r.codecs.decode(p.Data, &q.SenderPacket); q.codec == nil {
		return refused
	}
	q.key = flowKey{p.Remote, p.Local, q.SSID, q.codec != r.codecs.open}
	if refused = r.screen(p, q); refused != 0 {
		q.codec = nil
	}
	return refused
}

// screen reads a request's T1 and returns why the request must not be answered; 0 = it may be.
func (r *Reflector) screen(p *packetio.Packet, q *stampRequest) (refused selfstats.Counter) {
	fields := &openFields
	if q.key.authenticated {
		fields = &authenticatedFields
	}
	if fields.isReply(p.Data) {
		return selfstats.ProbesLooped
	}
	var err error
	if q.t1, err = q.ErrorEstimate.Format().UnixNanos(q.T1, int64(p.At), r.estimate.offset); err != nil {
		return selfstats.ProbesMalformed
	}
	// The reply would be longer, as RFC 8762 section 4.6 has it: not for an address that may be forged.
	if len(p.Data) < shortReply && len(r.config.Stamp.Allow) == 0 {
		return selfstats.ProbesNotAllowed
	}
	return 0
}

// reflectStamp takes packet k of a batch, which is not text, and stages the reply if it is a request.
func (r *Reflector) reflectStamp(s *socket, k int, p *packetio.Packet, now clock.Mono) {
	var q stampRequest
	refused := r.readStamp(p, &q)
	if r.isTexts(p, now) && !r.isKnown(&q) {
		q.codec, refused = nil, selfstats.ProbesMalformed
	}
	if q.codec == nil {
		r.counters.Inc(refused)
		return
	}
	a := r.nextArrival()
	a.transport, a.ends, a.t1, a.at, a.stamp, a.now, a.lost = measurement.UDP, ends{p.Remote, p.Local}, q.t1, p.At, p.Stamp, now, 0
	x := r.findFlow(&q.key, a)
	if x == nil {
		return
	}
	r.receive(a)
	count, answered := r.sight(x, q.Seq, a)
	if !answered {
		return
	}
	ok := r.buildReply(s, k, p, &q, x, count)
	if q.reply.TLVErr != nil {
		r.counters.Inc(selfstats.ProbesBadTLVs)
	}
	if !ok {
		r.counters.Inc(selfstats.ReflectFailed)
	} else if !q.reply.NoReply {
		r.stage(s, k, p, &q, x)
		s.pending[len(s.replies)-1].seq = count.sent
		count.sent++
	}
	identity, own := r.identify(x, q.reply.Identity, now)
	if len(r.losses) == 0 { // the batch so far was published
		r.losses = append(r.losses, a.losses...)
		a.losses = r.losses
	}
	a.session, a.identity, a.fresh = x, identity, a.fresh && own
	r.addArrival(a)
}

// sight accounts for a probe of session x by its number: in what is to be published of it, and in the
// session's counts, of which it returns those for the reply. A probe is not answered if it came before;
// by a stateless reflector, if that was so for many in a row.
func (r *Reflector) sight(x *session, number uint32, a *arrival) (count *counts, answered bool) {
	if cap(r.losses)-len(r.losses) < match.MostLosses {
		r.publishArrived()
	}
	f := x.flow
	seen := match.Sighting{
		Number: number, T1: clock.Wall(a.t1), T2: a.at, At: a.now, Authentic: f.key.authenticated,
	}
	found, lost := f.sequence.Arrive(seen, r.losses[len(r.losses):])
	r.losses = r.losses[:len(r.losses)+len(lost)]
	a.seq, a.fresh, a.losses = found.Seq, found.Verdict == match.Fresh && !found.Doubtful, lost
	r.tally(found.Verdict, found.Reordered)
	if found.Verdict == match.Duplicate {
		f.copies = min(f.copies+1, circleProbes+1)
		return &f.count, r.config.Stamp.Stateless && f.copies <= circleProbes
	}
	f.copies = 0
	x.heard(a.now, a.fresh)
	return f.counted(found), true
}

// buildReply builds the reply to packet k, but for T3.
func (r *Reflector) buildReply(s *socket, k int, p *packetio.Packet, q *stampRequest, x *session, count *counts) (ok bool) {
	reflection := stamp.Reflection{
		Seq: count.sent, T2: r.estimate.timestamp(p.At), ErrorEstimate: r.estimate.value, TTL: p.TTL,
	}
	if r.config.Stamp.Stateless {
		reflection.Seq, count = q.Seq, nil
	}
	if len(q.TLVs) > 0 {
		r.answers.answer(&reflection, s, p, x.flow, count, &r.estimate)
	}
	b := s.buffers[k]
	var err error
	q.reply, err = q.codec.Reflect(b[:cap(b)], &q.SenderPacket, &reflection)
	if len(p.Data) >= shortReply {
		q.reply.Size = min(q.reply.Size, len(p.Data))
	}
	return err == nil
}

// stage stages a reply, marked as its request asks for.
func (r *Reflector) stage(s *socket, k int, p *packetio.Packet, q *stampRequest, x *session) {
	x.flow.followUp = x.flow.followUp || q.reply.FollowUp && !r.config.Stamp.Stateless
	s.pending[len(s.replies)] = pendingReply{codec: q.codec, session: x, serial: x.flow.serial}
	s.replies = append(s.replies, packetio.Packet{
		Data: s.buffers[k][:q.reply.Size], Remote: p.Remote, Local: p.Local,
		TTL: replyTTL, TOS: q.reply.DSCP1 << 2, Notify: x.flow.followUp,
	})
}
