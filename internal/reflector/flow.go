package reflector

import (
	"hash/maphash"
	"net/netip"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// flowKey tells STAMP sessions apart (RFC 8972 section 3). An unauthenticated packet is never of an
// authenticated session.
type flowKey struct {
	remote        netip.AddrPort
	local         netip.Addr
	ssid          uint16
	authenticated bool
}

// flow is what a STAMP session has besides.
type flow struct {
	key      flowKey
	serial   uint64 // no other flow had it
	sequence match.Sequence
	count    counts
	trial    counts     // of a sender that seems to have begun anew
	copies   uint8      // probes in a row that had come before
	followUp bool       // it asks when replies left
	left     uint32     // the reply of which that is known
	leftAt   clock.Wall // 0 = of none
}

// counts are a stateful reflector's counts of a session, modulo 2^32 (RFC 8972 section 4.5).
type counts struct {
	received uint32 // probes that had not come before
	sent     uint32 // replies; also the next one's number
}

// counted counts a probe, and returns the counts that its reply is to have. A sender that begins anew is
// answered from 0 on, at once; whether it was one, the next probe tells.
func (f *flow) counted(found match.Finding) *counts {
	count := &f.count
	switch {
	case found.Anew:
		f.trial = counts{}
		count = &f.trial
	case found.Trying:
		count = &f.trial
	case found.Confirmed:
		f.count = f.trial
	}
	count.received++
	return count
}

// isFlows reports whether a datagram that can be read as text is of a STAMP session by the octets that
// are the SSID then: a peer's kind, once known, sticks to its address.
func (r *Reflector) isFlows(p *packetio.Packet) bool {
	if len(r.sessions.flows) == 0 || len(p.Data) < stamp.BaseSize {
		return false
	}
	const ssid = 14
	return r.sessions.flows[flowKey{p.Remote, p.Local, uint16(p.Data[ssid])<<8 | uint16(p.Data[ssid+1]), false}] != nil
}

// isKnown reports whether a STAMP probe is genuine, or as good as that: then its address is one that sends
// STAMP, whatever text somebody may have sent in its name.
func (r *Reflector) isKnown(q *stampRequest) bool {
	return q.codec != nil && (q.key.authenticated || r.sessions.flows[q.key] != nil)
}

// findFlow finds a STAMP probe's session, or opens it; nil, and counted, if there are too many.
func (r *Reflector) findFlow(key *flowKey, a *arrival) *session {
	if x := r.sessions.flows[*key]; x != nil {
		return x
	}
	x := r.sessions.take()
	if x == nil {
		r.refuse()
		return nil
	}
	f := r.sessions.flowMemory.take() // there are as many as sessions
	r.sessions.serial++
	f.key, f.serial, f.count, f.copies, f.followUp, f.leftAt = *key, r.sessions.serial, counts{}, 0, false, 0
	f.sequence.Reset()
	*x = session{
		id: r.sessions.newID(), transport: a.transport, ends: a.ends, open: true, last: a.now, flow: f,
	}
	r.sessions.flows[*key] = x
	if text := r.sessions.udp[a.ends]; text != nil && text.asked {
		text.left = true
	}
	r.counters.Inc(selfstats.SessionsOpened)
	return x
}

// identify takes a Session Identity, which may be nil, and returns it if it is the session's. A new one
// gives the session a new name and so a new ID, but every renaming only: a probe for which that is too
// early is not the session's own. One that cannot be told to the exporter, because its name is none or
// its tags are too long, changes nothing.
func (r *Reflector) identify(x *session, identity stamp.SessionIdentity, now clock.Mono) (known stamp.SessionIdentity, own bool) {
	if identity == nil {
		return nil, true
	}
	hash := maphash.Bytes(r.sessions.seed, identity) | 1 // 0 is none
	if hash == x.identity {
		return identity, true
	}
	if x.renamed != 0 && now.Sub(x.renamed) < renaming {
		r.counters.Inc(selfstats.ProbesRenamed)
		return nil, false
	}
	if !r.spell(identity) {
		return nil, true
	}
	r.publishArrived() // what this batch has under the former name
	if x.announced {
		r.ended = append(r.ended, x.id)
		r.tellEnded()
		x.id, x.announced = r.sessions.newID(), false
	}
	if x.identity != 0 {
		x.renamed = now
	}
	x.identity = hash
	return identity, true
}

// longestSpelling is how long an identity's octets are in the text protocol's notation at most.
const longestSpelling = 10*(textproto.MaxName+textproto.MaxTags) + 64

// spell writes an identity in the text protocol's notation, in which it crosses to the exporter; false if
// it cannot be written so.
func (r *Reflector) spell(identity stamp.SessionIdentity) bool {
	name := identity.Name()
	if !textproto.ValidName(name) || len(identity) > textproto.MaxName+textproto.MaxTags {
		return false
	}
	r.identity = append(append(r.identity[:0], name...), '|', '[')
	i := 0
	for tag := range identity.Tags() {
		r.identity = textproto.AppendTag(r.identity, i, tag)
		i++
	}
	r.identity = append(r.identity, ']')
	return len(r.identity) <= len(name)+1+textproto.MaxTags
}

// spellFlow writes what a STAMP session is known by: its Session Identity if it has one, else its
// address. False: it has one, which did not come with this probe.
func (r *Reflector) spellFlow(a *arrival) bool {
	if a.identity != nil {
		return r.spell(a.identity)
	}
	r.identity = append(a.remote.Addr().Unmap().AppendTo(r.identity[:0]), '|')
	return a.session.identity == 0
}

// settleFlow publishes the probes of a STAMP session that have been missing for the timeout.
func (r *Reflector) settleFlow(x *session, now clock.Mono) {
	r.losses = x.flow.sequence.Settle(now, r.config.Timeout, r.losses[:0])
	for _, l := range r.losses {
		r.missed(x, l)
	}
	r.losses = r.losses[:0]
}
