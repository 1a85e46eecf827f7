package reflector

import (
	"hash/maphash"
	"net/netip"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// roomy is the share of the table (1/roomy) that must be free again before it is told anew that it is
// full: with sessions that come and go it would be all the time.
const roomy = 8

// session is one flow of probes towards us: over UDP of one address and port, over TCP of one
// connection, as long as its name and tags stay the same.
type session struct {
	id        measurement.SessionID
	transport measurement.Transport
	remote    netip.AddrPort
	identity  uint64 // hash of name and tags
	announced bool   // the exporter has been told name and tags
	open      bool
	last      clock.Mono // when the last probe arrived
	window    match.Window
}

// table is all sessions. Its memory is allocated once, so that no probe, from whomever, makes it grow.
type table struct {
	all  []*session
	free []*session
	udp  map[netip.AddrPort]*session
	seed maphash.Seed
	next measurement.SessionID
	full bool // said so, and there has not been much room since
}

func newTable(limit int) table {
	t := table{
		all: make([]*session, limit), free: make([]*session, limit),
		udp: make(map[netip.AddrPort]*session, limit), seed: maphash.MakeSeed(), next: measurement.ReflectedIDs,
	}
	sessions := make([]session, limit)
	for i := range sessions {
		t.all[i] = &sessions[i]
		t.free[limit-1-i] = &sessions[i]
	}
	return t
}

// hash gives the identity of a message's sender.
func (t *table) hash(m *textproto.Message) uint64 {
	return maphash.Bytes(t.seed, m.Name) ^ 31*maphash.Bytes(t.seed, m.Tags)
}

// find finds the session of a probe; known is the one that its address or connection had so far. It
// opens a new one if there is none, or if name or tags have changed, and returns nil, counting why, if
// that can't be: the tags are malformed, or there are too many sessions.
func (r *Reflector) find(known *session, t measurement.Transport, remote netip.AddrPort, m *textproto.Message) *session {
	identity := r.sessions.hash(m)
	if known != nil && known.identity == identity {
		return known
	}
	if !textproto.ValidTags(m.Tags) {
		r.counters.Inc(selfstats.ProbesMalformed)
		return nil
	}
	if known != nil {
		r.publishArrived() // what this batch has of the old session, before its memory is used again
		r.arrived = r.arrived[:0]
		r.end(known)
	}
	x := r.sessions.take()
	if x == nil {
		r.refuse()
		return nil
	}
	*x = session{id: r.sessions.next, transport: t, remote: remote, identity: identity, open: true}
	x.window.Reset(textproto.Numbers)
	r.sessions.next = max(r.sessions.next+1, measurement.ReflectedIDs)
	if t == measurement.UDP {
		r.sessions.udp[remote] = x
	}
	r.counters.Inc(selfstats.SessionsOpened)
	return x
}

func (t *table) take() *session {
	n := len(t.free)
	if n == 0 {
		return nil
	}
	x := t.free[n-1]
	t.free = t.free[:n-1]
	return x
}

// refuse counts a probe of a session that there is no room for.
func (r *Reflector) refuse() {
	r.counters.Inc(selfstats.SessionsRefused)
	if !r.sessions.full {
		r.sessions.full = true
		r.event(measurement.EventSessionsFull, int64(r.config.MaxSessions))
	}
}

// end forgets a session.
func (r *Reflector) end(x *session) {
	if r.sessions.udp[x.remote] == x {
		delete(r.sessions.udp, x.remote)
	}
	if x.announced {
		r.config.Ring.Push(&measurement.Sample{Session: x.id, Kind: measurement.KindEnd})
	}
	x.open = false
	r.sessions.free = append(r.sessions.free, x)
	if len(r.sessions.free) > r.config.MaxSessions/roomy {
		r.sessions.full = false
	}
	r.counters.Inc(selfstats.SessionsExpired)
}
