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
	good := false
	switch e.Kind {
	case measurement.EventAnswering, measurement.EventConnected, measurement.EventSendWorks,
		measurement.EventStamp, measurement.EventTTL:
		good = true
	case measurement.EventRemarked:
		sent, arrived := e.marks()
		good = sent == arrived
	case measurement.EventClockError:
		good = e.Detail == 0
	}
	if good {
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
	case measurement.EventStamp:
		return e.peer() + " speaks STAMP"
	case measurement.EventText:
		return e.peer() + " does not answer STAMP: going back to text"
	case measurement.EventRemarked:
		return e.remarked()
	case measurement.EventTTL:
		return fmt.Sprintf("probes to %s arrive with TTL %d", e.peer(), uint8(e.Detail))
	case measurement.EventClockError:
		return clockError(e.Detail)
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

// mark is DSCP and ECN, as they are in the IPv4 TOS or IPv6 Traffic Class octet (RFC 2474, 3168).
type mark uint8

func (m mark) String() string { return fmt.Sprintf("DSCP %d, ECN %d", uint8(m>>2), uint8(m&3)) }

// marks reads the detail of EventRemarked.
func (e Event) marks() (sent, arrived mark) { return mark(e.Detail >> 8), mark(e.Detail) }

func (e Event) remarked() string {
	sent, arrived := e.marks()
	if sent == arrived {
		return fmt.Sprintf("probes to %s arrive as they were sent again, with %v", e.peer(), arrived)
	}
	return fmt.Sprintf("probes to %s arrive with %v instead of %v", e.peer(), arrived, sent)
}

// clockError tells of the error bound of the host's clock, in nanoseconds; 0: it is small again,
// negative: there is none.
func clockError(bound int64) string {
	const exact = 10 * time.Microsecond // what an operator wants to read
	switch {
	case bound < 0:
		return "clock of this host is not synchronised: one-way delays carry an unknown error"
	case bound == 0:
		return "clock of this host is good again: one-way delays carry less than ± 1ms"
	}
	return fmt.Sprintf("clock of this host is inexact: one-way delays carry ± %v",
		max(exact, time.Duration(bound).Round(exact)))
}
