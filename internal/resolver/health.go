package resolver

import (
	"sync"
	"time"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// condition is what was last told of a session.
type condition uint8

const (
	unheard   condition = iota // nothing since the session was added
	answering                  // the target replies, or took our connection
	silent                     // it does not
	doubtful                   // something may have been told that did not arrive
)

type session struct {
	condition condition
	refused   bool // the system refuses to send
}

func (s session) well() bool { return s.condition == answering && !s.refused }
func (s session) ill() bool  { return s.condition == silent || s.refused }

// health is that of one target's sessions. It may be used from any goroutine.
type health struct {
	wake chan struct{} // holds a token after a change

	mu       sync.Mutex
	sessions map[measurement.SessionID]session
	answered bool      // one of them, since the last reset
	dead     time.Time // since when all are ill; zero: they are not
}

func newHealth(sessions []measurement.Session) *health {
	h := &health{wake: make(chan struct{}, 1), sessions: map[measurement.SessionID]session{}}
	for _, s := range sessions {
		h.sessions[s.ID] = session{}
	}
	return h
}

// tell takes an event of a session. Events of before the last reset may still come: the engine knows
// nothing of a session that was added again, and so contradicts them.
func (h *health) tell(id measurement.SessionID, e measurement.Event) {
	h.change(func() {
		s := h.sessions[id]
		switch e {
		case measurement.EventAnswering, measurement.EventConnected:
			s = session{condition: answering}
			h.answered = true
		case measurement.EventSilent, measurement.EventUnreachable, measurement.EventDisconnected:
			s.condition = silent
		case measurement.EventSendFailed:
			s.refused = true
		case measurement.EventSendWorks:
			s.refused = false
		}
		h.sessions[id] = s
	})
}

// doubt forgets what was told of the sessions, unless that was bad.
func (h *health) doubt() {
	h.change(func() {
		for id, s := range h.sessions {
			if !s.ill() {
				h.sessions[id] = session{condition: doubtful}
			}
		}
	})
}

// reset forgets all, because the sessions have another address.
func (h *health) reset() {
	h.change(func() {
		for id := range h.sessions {
			h.sessions[id] = session{}
		}
		h.answered = false
	})
}

// change makes a change and notes what it means for the target.
func (h *health) change(apply func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	apply()
	switch {
	case !h.allIll():
		h.dead = time.Time{}
	case h.dead.IsZero():
		h.dead = time.Now()
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *health) allIll() bool {
	for _, s := range h.sessions {
		if !s.ill() {
			return false
		}
	}
	return true
}

// trouble reports whether the target is to be looked up: no session is well, and not because all of
// them are new. One that is well will do: the others may be kept from the target by a firewall.
func (h *health) trouble() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := false
	for _, s := range h.sessions {
		if s.well() {
			return false
		}
		found = found || s.condition != unheard || s.refused
	}
	return found
}

// deadFor is for how long all sessions have been ill: 0 while there is hope for one.
func (h *health) deadFor() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead.IsZero() {
		return 0
	}
	return time.Since(h.dead)
}

// hasAnswered reports whether a session was well at some time since the last reset.
func (h *health) hasAnswered() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answered
}
