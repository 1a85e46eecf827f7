package reflector

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// renaming is how often name or tags of an address may change: every change costs the exporter more
// than a probe costs whoever sends it.
const renaming = time.Second

// How long a session may be idle. An interval of up to longestInterval may be configured, so one that
// is not known yet may be that long; but there is no waiting for it when the room gets short.
const (
	idleSession     = 5 * time.Minute
	idleIntervals   = 3 // once there was an interval
	longestInterval = 24 * time.Hour
	idleUnknown     = longestInterval + idleSession
)

// session is one flow of probes towards us: of text over UDP of one address and port, over TCP of one
// connection, as long as its name and tags stay the same; of STAMP as flowKey tells.
type session struct {
	id        measurement.SessionID
	transport measurement.Transport
	ends
	identity  uint64 // hash of name and tags
	announced bool   // the exporter has been told name and tags
	open      bool
	renamed   clock.Mono    // when name or tags of the address changed last; 0 = never
	last      clock.Mono    // when the last probe arrived
	gap       time.Duration // the longest between two probes; 0 = there was one probe only
	asked     bool          // the last probe asked for STAMP
	left      bool          // it got that, and goes on in a session of its own
	flow      *flow         // STAMP only
	circle    circle        // text over UDP only
	window    match.Window  // not STAMP
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
	opened := session{transport: a.transport, ends: a.ends, identity: identity, open: true, last: a.now}
	if former != nil {
		opened.renamed, opened.circle = a.now, former.circle
		r.publishArrived() // what this batch has of the former session, before its memory is used again
		r.end(former)
	}
	x := r.sessions.take()
	if x == nil {
		r.refuse()
		return nil
	}
	opened.id = r.sessions.newID()
	*x = opened
	x.window.Reset(textproto.Numbers)
	if a.transport == measurement.UDP {
		r.sessions.udp[a.ends] = x
	}
	r.counters.Inc(selfstats.SessionsOpened)
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
	if r.sessions.udp[x.ends] == x {
		delete(r.sessions.udp, x.ends)
	}
	if x.announced {
		r.ended = append(r.ended, x.id)
		r.tellEnded()
	}
	if x.flow != nil {
		delete(r.sessions.flows, x.flow.key)
		r.sessions.flowMemory.give(x.flow)
		x.flow = nil
	}
	x.open = false
	r.sessions.give(x)
	r.counters.Inc(selfstats.SessionsExpired)
}

// heard notes that a probe came; copies of one that had come before do not show an interval.
func (x *session) heard(now clock.Mono, fresh bool) {
	if fresh {
		x.gap = max(x.gap, now.Sub(x.last))
	}
	x.last = now
}

// patience is how long a session may be idle.
func (x *session) patience(crowded bool) time.Duration {
	switch {
	case x.gap > 0:
		return max(idleSession, idleIntervals*min(x.gap, longestInterval))
	case crowded:
		return idleSession
	}
	return idleUnknown
}
