package sender

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/schedule"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

const (
	// coalesce is how far apart slots may be to leave in one system call.
	coalesce = 20 * time.Microsecond
	// housekeeping is how often timeouts, and connections to be made, are looked after.
	housekeeping = 100 * time.Millisecond
	// replyPatience is how long a reply may wait for the next slot. It halves the wake-ups at one probe a
	// millisecond; at longer intervals there is little to be had. Over TCP none waits: what is read at once has one
	// timestamp.
	replyPatience = 2 * time.Millisecond
	// calm is how long the system must have refused nothing before we say that sending works again, and
	// how long trouble with a target lasts at least in what we say: one that answers every other probe
	// must not fill the log.
	calm = time.Second
	// errorsLast is how long an error that says why a target does not answer is the last word. Hosts send
	// about one a second (icmp_ratelimit in icmp(7)), and some in bursts.
	errorsLast = 10 * time.Second
)

// Config of a Sender.
type Config struct {
	Ring     *ring.SPSC       // the Sender is its producer
	Counters *selfstats.Block // the Sender is its writer
	MaxSize  int              // longest reply, in octets
	Transmit bool             // use the kernel's transmit timestamps
}

// Sender is a loop.Handler.
type Sender struct {
	config   Config
	network  loop.Network
	counters *selfstats.Block
	queue    schedule.Queue
	sessions []*session // by index; nil where one was removed
	lanes    []*lane    // UDP sockets
	packets  []packetio.Packet
	notices  []packetio.Notice
	step     *clock.StepDetector
	host     hostClock
	ssid     uint16     // the last one given to a session
	cleaning clock.Mono // when housekeeping is due
	tidying  bool       // it is, once what has come was read
	halted   bool       // it was put off once
	streams  int        // sessions over TCP
	timed    bool       // a reply came with the kernel's time
	untimed  bool       // one came without
	draining bool
}

// New makes a Sender and opens its first UDP sockets, one per address family; a family that the host
// lacks is left out. missing is what the system refused and measuring goes on without.
func New(network loop.Network, c Config) (s *Sender, missing packetio.Missing, err error) {
	s = &Sender{
		config: c, network: network, counters: c.Counters, step: clock.NewStepDetector(),
		packets: make([]packetio.Packet, readBatch), notices: make([]packetio.Notice, noticeBatch),
		host: newHostClock(clock.ReadError), ssid: uint16(rand.Uint32()),
	}
	for _, ip := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		var refused packetio.Missing
		if _, refused, err = s.openLane(ip); err != nil && !errors.Is(err, syscall.EAFNOSUPPORT) {
			refused = packetio.Missing{err}
		}
		missing = append(missing, refused...)
	}
	if len(s.lanes) == 0 {
		return nil, nil, err
	}
	return s, missing, nil
}

// Due implements loop.Handler: it sends all probes that are due.
func (s *Sender) Due(now clock.Mono) clock.Mono {
	s.checkStep()
	until := now.Add(coalesce)
	for s.queue.Next() <= until {
		slot, skipped, due := s.queue.Pop(now, until)
		s.counters.Add(selfstats.SkippedLate, uint64(skipped))
		if due {
			s.send(s.sessions[slot.ID], slot.At)
		}
	}
	for _, l := range s.lanes {
		s.flush(l)
	}
	// While there are no sessions yet, nothing was counted of those that are about to come.
	if s.queue.Next() != clock.Never {
		s.counters.Through(until)
	}
	if now < s.cleaning {
		return min(s.queue.Next(), s.cleaning)
	}
	s.counters.Beat(now)
	if s.tidying = !s.tidying; s.tidying {
		return now
	}
	s.keepHouse(now)
	s.watchClock(now)
	return min(s.queue.Next(), s.cleaning)
}

// Patience implements loop.Handler: replies that the kernel stamps can wait.
func (s *Sender) Patience() time.Duration {
	if s.streams > 0 || !s.timed || s.untimed {
		return 0
	}
	return replyPatience
}

// keepHouse cleans, unless the thread was not running when it should have: then replies that came in
// time may wait to be read, and are read first.
func (s *Sender) keepHouse(now clock.Mono) {
	s.halted = !s.halted && now.Sub(s.cleaning) > housekeeping
	s.cleaning = now.Add(housekeeping)
	if !slices.ContainsFunc(s.sessions, func(x *session) bool { return x != nil }) {
		s.cleaning = now.Add(clockEvery) // what there is to look after then
	}
	if !s.halted {
		s.clean(now)
	}
}

// send sends a session's probe of the slot at the time at, or counts why not.
func (s *Sender) send(x *session, at clock.Mono) {
	if !x.speaking.table.Ready() {
		s.counters.Inc(selfstats.SkippedUnanswered)
		return
	}
	switch x.Transport {
	case measurement.UDP:
		s.stage(x, at)
	case measurement.TCP:
		s.sendTCP(x, at)
	case measurement.TCPConnect:
		s.sendConnect(x, at)
	}
}

// sent records that a probe of text or TCP left in the slot at the time at.
func (s *Sender) sent(x *session, at, mono clock.Mono, wall clock.Wall) {
	x.text.table.Add(mono, wall, s.step.Epoch())
	s.counters.Inc(selfstats.SlotsSent)
	s.tookSlot(x, at, mono)
}

// tookSlot notes how late the probe of the slot at the time at left, and that the system took it.
func (s *Sender) tookSlot(x *session, at, mono clock.Mono) {
	s.counters.Late(mono.Sub(at))
	if x.refused != 0 && mono.Sub(x.refusedAt) > calm {
		x.refused = 0
		s.event(x, measurement.EventSendWorks, 0)
	}
}

// refuse records that the system did not take a probe.
func (s *Sender) refuse(x *session, err error) {
	s.counters.Inc(selfstats.SkippedSendError)
	s.unable(x, err)
}

// unable notes that the system refuses what a session needs. Reasons that change all the time are not
// all told.
func (s *Sender) unable(x *session, err error) {
	now, errno := clock.MonoNow(), errnoOf(err)
	x.refusedAt = now
	if x.refused == 0 || errno != x.refused && now.Sub(x.toldAt) >= calm {
		x.refused, x.toldAt = errno, now
		s.event(x, measurement.EventSendFailed, errno)
	}
}

// clean settles timeouts and keeps connections up.
func (s *Sender) clean(now clock.Mono) {
	for _, x := range s.sessions {
		if x == nil {
			continue
		}
		s.expire(x, now)
		switch {
		case s.draining:
		case x.Transport == measurement.TCP:
			s.keepConnected(x, now)
		case x.Transport == measurement.UDP && x.lane == nil:
			s.enter(x)
		}
	}
}

// Ready implements loop.Handler.
func (s *Sender) Ready(r loop.Ready, limit int) {
	kind, index, serial := split(r.Token)
	if kind == laneSocket {
		s.readyLane(s.lanes[index], r, limit)
		return
	}
	x := s.sessions[index]
	switch {
	case x == nil: // removed since the event
	case kind == tcpSocket && x.Transport == measurement.TCP:
		s.readyTCP(x, serial, r)
	case kind == connectSocket && x.Transport == measurement.TCPConnect:
		s.readyConnect(x, serial)
	}
}

// Command implements loop.Handler.
func (s *Sender) Command(c loop.Command) {
	switch c.Verb {
	case loop.Add:
		s.remove(c.Session.ID)
		if !s.draining {
			s.add(c.Session, c.Since)
		}
	case loop.Remove:
		s.remove(c.Session.ID)
	case loop.Drain:
		s.draining = true
		s.queue.Clear()
	}
}

// Drained implements loop.Handler.
func (s *Sender) Drained() bool {
	for _, x := range s.sessions {
		if x != nil && x.outstanding() > 0 {
			return false
		}
	}
	return true
}

// Close implements loop.Handler.
func (s *Sender) Close() {
	for _, x := range s.sessions {
		if x != nil {
			s.remove(x.ID)
		}
	}
	for _, l := range s.lanes {
		_ = l.conn.Close()
	}
}
