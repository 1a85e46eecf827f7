package sender

import (
	"errors"
	"slices"
	"syscall"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/schedule"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// session is one session that we probe.
type session struct {
	measurement.Session
	index    int                 // in Sender.sessions, and the schedule's ID
	text     flow                // the probes of UDP in text and of TCP; without a table in a session of STAMP only
	template *textproto.Template // UDP and TCP
	stamp    *stamper            // the probes in STAMP; nil where there are none
	speaking *flow               // the one of both that new probes belong to
	places   uint64              // in the session, that its probes over UDP took
	lane     *lane               // UDP; nil while the system has no socket for us
	tcp      connection          // TCP
	dials    []packetio.Stream   // TCPConnect: connections under way, by seq modulo the length

	state     state
	changed   clock.Mono // since when in this state
	errno     int64      // in state unreachable
	blockedAt clock.Mono // when the last error came that says that the target can't be reached
	answered  uint64     // all seqs answered so far are below
	lostRun   int        // consecutive losses since then
	refused   int64      // errno with which the system refuses our probes, as last told; 0 = it does not
	refusedAt clock.Mono // when it did last
	toldAt    clock.Mono // when refused was told
}

// state is what we last knew of the target; events tell its changes.
type state uint8

const (
	unknown state = iota
	answering
	silent
	unreachable
)

// Sockets are known to the poller by what they are, the index of their lane or session, and for
// streams a serial number, so that an event of a closed one is not taken for its successor's.
const (
	laneSocket = iota + 1
	tcpSocket
	connectSocket
)

func token(kind, index int, serial uint32) loop.Token {
	return loop.Token(kind)<<60 | loop.Token(index)<<32 | loop.Token(serial)
}

func split(t loop.Token) (kind, index int, serial uint32) {
	return int(t >> 60), int(t>>32) & (1<<28 - 1), uint32(t)
}

// add starts probing a session. Its slots count from since on; 0 = from now on.
func (s *Sender) add(d measurement.Session, since clock.Mono) {
	d.Remote = s.network.Canonical(d.Remote)
	x := newSession(s.freeIndex(), d)
	s.sessions[x.index] = x
	if x.Transport != measurement.UDP {
		s.streams++
	}
	if x.stamp != nil {
		s.begin(x.stamp)
	}
	s.open(x)
	now := clock.MonoNow()
	s.cleaning = min(s.cleaning, now.Add(housekeeping))
	if since == 0 {
		since = now
	}
	s.queue.Add(x.index, schedule.Grid{Phase: d.Phase, Interval: d.Interval}, since)
}

// newSession makes a session without its sockets.
func newSession(index int, d measurement.Session) *session {
	x := &session{Session: d, index: index}
	if d.Transport == measurement.UDP && d.Protocol != measurement.Text {
		x.stamp = newStamper(&x.Session)
		x.speaking = &x.stamp.flow
	}
	if d.Transport != measurement.UDP || d.Protocol != measurement.STAMP {
		x.text.table, x.template = newTextTable(&d), newTemplate(&d)
		x.speaking = &x.text
	}
	if x.stamp != nil && x.text.table != nil {
		x.text.places = make([]uint64, x.text.table.Cap())
		x.stamp.places = make([]uint64, x.stamp.table.Cap())
	}
	return x
}

// newTextTable makes the table of a session that is not in STAMP.
func newTextTable(d *measurement.Session) *match.Table {
	numbers := uint64(textproto.Numbers)
	if d.Transport == measurement.TCPConnect {
		numbers = 1 << 32
	}
	return match.NewTable(match.Config{
		Numbers: numbers, Timeout: d.Timeout, Interval: d.Interval, Slack: 2 * housekeeping,
		InOrder: d.Transport == measurement.TCP, Hold: d.RTT,
	})
}

// newTemplate makes the template of a session's messages; nil where it has none. In auto they ask for
// STAMP.
func newTemplate(d *measurement.Session) *textproto.Template {
	tags := textproto.AppendTags(nil, d.Tags)
	switch d.Transport {
	case measurement.UDP:
		size := min(d.Size, packetio.MaxDatagram(d.Remote.Addr()))
		if d.Protocol == measurement.Auto {
			return textproto.NewQueryTemplate(d.Source, tags, size)
		}
		return textproto.NewTemplate(d.Source, tags, size)
	case measurement.TCP:
		return textproto.NewTemplate(d.Source, tags, d.Size)
	}
	return nil
}

// open makes what a session of its transport needs. What the system refuses is tried again by clean.
func (s *Sender) open(x *session) {
	switch x.Transport {
	case measurement.UDP:
		s.enter(x)
	case measurement.TCP:
		x.tcp.scanner = textproto.NewScanner(s.config.MaxSize + replyGrowth)
		s.dial(x, clock.MonoNow())
	case measurement.TCPConnect:
		x.dials = make([]packetio.Stream, x.text.table.Cap())
	}
}

// freeIndex finds a place in sessions, making one if there is none.
func (s *Sender) freeIndex() int {
	if i := slices.Index(s.sessions, nil); i >= 0 {
		return i
	}
	s.sessions = append(s.sessions, nil)
	return len(s.sessions) - 1
}

// remove stops probing a session, if there is one of that ID.
func (s *Sender) remove(id measurement.SessionID) {
	i := slices.IndexFunc(s.sessions, func(x *session) bool { return x != nil && x.ID == id })
	if i < 0 {
		return
	}
	x := s.sessions[i]
	if x.Transport != measurement.UDP {
		s.streams--
	}
	s.queue.Remove(i)
	s.counters.Add(selfstats.ProbesAbandoned, uint64(x.outstanding()))
	s.sessions[i] = nil
	if x.lane != nil {
		delete(x.lane.sessions, x.Remote)
	}
	if x.tcp.stream != nil {
		x.tcp.stream.Close()
	}
	for _, stream := range x.dials {
		if stream != nil {
			stream.Reset()
		}
	}
}

// errnoOf is the system error number behind err; EIO when there is none.
func errnoOf(err error) int64 {
	// errors.As would allocate, and refused probes come as often as others.
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return int64(errno)
	}
	return int64(syscall.EIO)
}
