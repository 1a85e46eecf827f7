package sender

import (
	"errors"
	"io"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const (
	firstRetry  = 100 * time.Millisecond
	longRetry   = 4 * time.Second // 5 s with the longest jitter
	dialTimeout = 5 * time.Second
	readsAtOnce = 4 // reads from one stream before others get their turn
)

// connection is the established TCP connection of a session.
type connection struct {
	stream  packetio.Stream // nil: none, wait for retryAt
	up      bool            // the handshake is over
	serial  uint32          // of the stream, for its token
	since   clock.Mono      // when dialing began
	retryAt clock.Mono
	retry   time.Duration // how long to wait the next time; 0 = firstRetry
	been    bool          // connected before
	scanner *textproto.Scanner
	pending []byte // rest of a probe that had no room; aliases the template
}

// marking is what a session's connections send with.
func marking(m *measurement.Session) packetio.Marking {
	return packetio.Marking{TOS: m.DSCP << 2, TTL: m.TTL}
}

// dial starts connecting.
func (s *Sender) dial(x *session, now clock.Mono) {
	c := &x.tcp
	c.serial++
	stream, err := s.network.Dial(x.Remote, marking(&x.Session), token(tcpSocket, x.index, c.serial))
	if err != nil {
		s.disconnect(x, now, errnoOf(err))
		return
	}
	c.stream, c.up, c.since = stream, false, now
}

// keepConnected connects again when it is time, and gives a handshake up that takes too long.
func (s *Sender) keepConnected(x *session, now clock.Mono) {
	c := &x.tcp
	switch {
	case c.stream == nil && now >= c.retryAt:
		s.dial(x, now)
	case c.stream != nil && !c.up && now.Sub(c.since) > dialTimeout:
		s.disconnect(x, now, int64(syscall.ETIMEDOUT))
	}
}

// sendTCP sends a probe over the connection.
func (s *Sender) sendTCP(x *session, slot clock.Mono) {
	c := &x.tcp
	wall, mono := clock.Now()
	switch {
	case !c.up:
		s.counters.Inc(selfstats.SkippedDisconnected)
		return
	case len(c.pending) > 0:
		s.holdBack(x, mono)
		return
	}
	_, number := x.text.table.Next()
	message := x.template.Message(number, int64(wall))
	if message == nil {
		s.refuse(x, errClockUnset)
		return
	}
	n, err := c.stream.Write(message)
	switch {
	case errors.Is(err, packetio.ErrWouldBlock):
		s.holdBack(x, mono)
	case err != nil: // the connection broke, and we have not read so yet
		s.counters.Inc(selfstats.SkippedDisconnected)
		s.disconnect(x, mono, errnoOf(err))
	default:
		s.sent(x, slot, mono, wall)
		c.pending = message[n:]
		if len(c.pending) > 0 {
			c.stream.WantWrite(true)
		}
	}
}

// holdBack counts a slot for which the connection has no room. Once all probes on their way are lost,
// it counts as one more of them: there may be room for fewer than MaxLost.
func (s *Sender) holdBack(x *session, now clock.Mono) {
	s.counters.Inc(selfstats.SkippedBacklog)
	if x.text.table.Outstanding() > 0 {
		return
	}
	x.lostRun++
	if x.lostRun >= x.MaxLost {
		s.disconnect(x, now, int64(syscall.ETIMEDOUT))
	}
}

// readyTCP goes on with a connection's handshake, its pending octets or its replies.
func (s *Sender) readyTCP(x *session, serial uint32, r loop.Ready) {
	c := &x.tcp
	if c.stream == nil || serial != c.serial {
		return
	}
	if !c.up {
		s.connected(x)
		return
	}
	if r.Write && len(c.pending) > 0 {
		s.sendPending(x)
	}
	for i := 0; r.Read && i < readsAtOnce && c.up; i++ {
		if more := s.readTCP(x); !more {
			return
		}
	}
}

func (s *Sender) connected(x *session) {
	c := &x.tcp
	switch _, err := c.stream.Handshake(); {
	case errors.Is(err, packetio.ErrWouldBlock):
		return
	case err != nil:
		s.disconnect(x, clock.MonoNow(), errnoOf(err))
		return
	}
	c.up = true
	c.scanner.Reset()
	c.stream.WantWrite(false)
	if c.been {
		s.counters.Inc(selfstats.Reconnects)
	}
	c.been = true
	s.event(x, measurement.EventConnected, 0)
}

func (s *Sender) sendPending(x *session) {
	c := &x.tcp
	n, err := c.stream.Write(c.pending)
	if err != nil && !errors.Is(err, packetio.ErrWouldBlock) {
		s.disconnect(x, clock.MonoNow(), errnoOf(err))
		return
	}
	c.pending = c.pending[n:]
	if len(c.pending) == 0 {
		c.stream.WantWrite(false)
	}
}

// readTCP reads once and takes the replies that are complete; false when there is no more for now.
func (s *Sender) readTCP(x *session) (more bool) {
	c := &x.tcp
	n, at, stamp, err := c.stream.Read(c.scanner.Free())
	switch {
	case errors.Is(err, packetio.ErrWouldBlock):
		return false
	case errors.Is(err, io.EOF):
		s.disconnect(x, clock.MonoNow(), 0)
		return false
	case err != nil:
		s.disconnect(x, clock.MonoNow(), errnoOf(err))
		return false
	}
	s.checkStep()
	now := clock.MonoNow()
	c.scanner.Fed(n)
	for {
		m, ok, err := c.scanner.Next()
		if err != nil {
			s.counters.Inc(selfstats.RepliesMalformed)
			s.disconnect(x, now, int64(syscall.EBADMSG))
			return false
		}
		if !ok {
			return true
		}
		s.answered(x, uint64(m.Seq), reply{t2: m.Timestamp, t4: at, stamp: stamp, read: now})
		c.retry = 0
	}
}

// disconnect gives the connection up, and with it the probes that it carries, and has it made again
// later: the pauses double up to longRetry, each up to a quarter shorter or longer, so that a fleet
// does not come back in one burst. errno 0 says that the peer closed.
func (s *Sender) disconnect(x *session, now clock.Mono, errno int64) {
	c := &x.tcp
	wasUp := c.up
	if c.stream != nil {
		c.stream.Reset()
	}
	c.stream, c.up, c.pending = nil, false, nil
	pause := max(c.retry, firstRetry)
	c.retry = min(2*pause, longRetry)
	c.retryAt = now.Add(pause*3/4 + rand.N(pause/2))
	if wasUp && errno != 0 {
		s.counters.Inc(selfstats.ConnectionsFailed)
	}
	if wasUp {
		s.event(x, measurement.EventDisconnected, errno)
		x.state, x.errno = unknown, 0
	} else {
		s.counters.Inc(selfstats.Unreachable)
		s.blocked(x, errno, now)
	}
	for {
		p, ok := x.text.table.Abandon()
		if !ok {
			break
		}
		s.lose(x, &x.text, &p, now)
	}
	x.lostRun = 0
}
