package reflector

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// roomy is the share of the table (1/roomy) that must be free again before it is told anew that it is
// full: with sessions that come and go it would be all the time.
const roomy = 8

// renaming is how often name or tags of an address may change: every change costs the exporter more
// than a probe costs whoever sends it.
const renaming = time.Second

// session is one flow of probes towards us: over UDP of one address and port, over TCP of one
// connection, as long as its name and tags stay the same.
type session struct {
	id        measurement.SessionID
	transport measurement.Transport
	remote    netip.AddrPort
	identity  uint64 // hash of name and tags
	announced bool   // the exporter has been told name and tags
	open      bool
	renamed   clock.Mono // when name or tags of the address changed last; 0 = never
	last      clock.Mono // when the last probe arrived
	circle    circle     // UDP only
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
// opens a new one if there is none, or if name or tags have changed. Once they have, they may do so
// every renaming only: a probe for which that is too early is to be answered, but is not the session's
// own. Nil, with the reason counted, is for a probe that is not to be answered.
func (r *Reflector) find(known *session, a *arrival) (x *session, own bool) {
	identity := r.sessions.hash(&a.message)
	if known != nil && known.identity == identity {
		return known, true
	}
	if !textproto.ValidTags(a.message.Tags) {
		r.counters.Inc(selfstats.ProbesMalformed)
		return nil, false
	}
	if known != nil && known.renamed != 0 && a.now.Sub(known.renamed) < renaming {
		r.counters.Inc(selfstats.ProbesRenamed)
		return known, false
	}
	return r.open(known, a, identity), true
}

// open opens the session of a probe in place of the former one of its address or connection, which may
// be nil. It returns nil, and counts that, if there are too many.
func (r *Reflector) open(former *session, a *arrival, identity uint64) *session {
	opened := session{id: r.sessions.next, transport: a.transport, remote: a.remote, identity: identity, open: true}
	if former != nil {
		opened.renamed, opened.circle = a.now, former.circle
		r.publishArrived() // what this batch has of the former session, before its memory is used again
		r.arrived = r.arrived[:0]
		r.end(former)
	}
	x := r.sessions.take()
	if x == nil {
		r.refuse()
		return nil
	}
	*x = opened
	x.window.Reset(textproto.Numbers)
	r.sessions.next = max(r.sessions.next+1, measurement.ReflectedIDs)
	if a.transport == measurement.UDP {
		r.sessions.udp[a.remote] = x
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
