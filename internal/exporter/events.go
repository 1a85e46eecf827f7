package exporter

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const (
	eventQueue = 1024
	// eventLines bounds the log lines per second: a network that fails says so for every target, but
	// a peer that flaps must not fill the disk.
	eventLines = 500
)

// Event is a change of state in the engine. OnEvent gets it from a goroutine that serves events
// alone, after it was logged; it may call every method of the Exporter. While it blocks, further
// events queue up, and beyond a thousand they are dropped and counted.
type Event struct {
	ID      measurement.SessionID // 0: the loop itself
	Session *measurement.Session  // not to be changed; nil for a loop
	Kind    measurement.Event
	Detail  int64 // see the kinds
	At      int64 // nanoseconds since the Unix epoch
}

// events logs events and calls back for them.
type events struct {
	queue   chan Event
	done    chan struct{} // closed when run has returned
	dropped atomic.Uint64
	log     zerolog.Logger
	onEvent func(Event)

	second  time.Time // since when lines are counted
	lines   int
	muffled int
}

func newEvents(log zerolog.Logger, onEvent func(Event)) *events {
	return &events{queue: make(chan Event, eventQueue), done: make(chan struct{}), log: log, onEvent: onEvent}
}

// put queues an event, or drops it and counts. The log may stall, the exporter must not.
func (ev *events) put(e Event) {
	select {
	case ev.queue <- e:
	default:
		ev.dropped.Add(1)
	}
}

// run ends when the queue is closed and empty.
func (ev *events) run() {
	defer close(ev.done)
	for e := range ev.queue {
		if ev.mayLog(time.Now()) {
			ev.log.WithLevel(e.level()).Msg(e.String())
		}
		if ev.onEvent != nil {
			ev.onEvent(e)
		}
	}
	ev.unmuffle()
}

// mayLog reports whether this second has a line left.
func (ev *events) mayLog(now time.Time) bool {
	if now.Sub(ev.second) >= time.Second {
		ev.second, ev.lines = now, 0
		ev.unmuffle()
	}
	if ev.lines == eventLines {
		ev.muffled++
		return false
	}
	ev.lines++
	return true
}

func (ev *events) unmuffle() {
	if ev.muffled > 0 {
		ev.log.Warn().Msgf("%d more changes of state were not logged: too many in a second", ev.muffled)
		ev.muffled = 0
	}
}

// level is info for what an operator hopes for, warning for the rest.
func (e Event) level() zerolog.Level {
	switch e.Kind {
	case measurement.EventAnswering, measurement.EventConnected, measurement.EventSendWorks:
		return zerolog.InfoLevel
	}
	return zerolog.WarnLevel
}

// String says in words what happened, to whom.
func (e Event) String() string {
	switch e.Kind {
	case measurement.EventAnswering:
		return e.peer() + " answers"
	case measurement.EventSilent:
		return e.peer() + " does not answer"
	case measurement.EventUnreachable:
		return withReason(e.peer()+" is unreachable", e.Detail)
	case measurement.EventConnected:
		return e.connection() + " is up"
	case measurement.EventDisconnected:
		if e.Detail == 0 {
			return e.connection() + " is down: closed by the peer"
		}
		return withReason(e.connection()+" is down", e.Detail)
	case measurement.EventSendFailed:
		return withReason("sending to "+e.peer()+" fails", e.Detail)
	case measurement.EventSendWorks:
		return "sending to " + e.peer() + " works again"
	case measurement.EventSessionsFull:
		return fmt.Sprintf("session table is full (%d): new sessions are refused", e.Detail)
	case measurement.EventClockStep:
		return fmt.Sprintf("wall clock stepped by %v; delays across the step are not published",
			time.Duration(e.Detail))
	}
	return e.peer() + ": " + e.Kind.String()
}

// peer names the other side.
func (e Event) peer() string {
	if e.Session == nil {
		return "the engine"
	}
	return fmt.Sprintf("target %q (%v)", e.Session.Target, e.Session.Transport)
}

func (e Event) connection() string {
	if e.Session == nil {
		return "tcp connection"
	}
	return fmt.Sprintf("%v connection to %q", e.Session.Transport, e.Session.Target)
}

func withReason(what string, errno int64) string {
	if err := measurement.Errno(errno); err != nil {
		return what + ": " + err.Error()
	}
	return what
}
