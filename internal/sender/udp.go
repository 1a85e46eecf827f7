package sender

import (
	"bytes"
	"net/netip"
	"syscall"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

const (
	sendBatch   = 16 // probes in one system call: more would be stamped too long before they leave
	readBatch   = 64
	noticeBatch = 16
	// inFlight is for how many sent probes a transmit timestamp is waited for. It comes with the send
	// call or shortly after.
	inFlight = 1024
	// replyGrowth is by how much a reply may be longer than its request: by the reflector's name.
	replyGrowth = textproto.MaxName
)

var stampAnswer = []byte(textproto.StampAnswer)

// errClockUnset: the text protocol has no timestamp for the year that our clock shows.
const errClockUnset = syscall.ERANGE

// lane is one UDP socket and the sessions on it. A reply is known by its address and number, so a
// lane has one session per address; a second one to the same address goes to another lane.
type lane struct {
	conn     packetio.Conn
	ip4      bool
	sessions map[netip.AddrPort]*session
	overflow uint64

	out    []packetio.Packet // staged probes
	staged []stagedProbe     // whose
	wall   clock.Wall        // when those left that were sent last
	mono   clock.Mono        // the same
	flying [inFlight]flyingProbe
}

type stagedProbe struct {
	session *session
	slot    clock.Mono
	flow    *flow
	unasked bool // it asks for no reply
}

// flyingProbe is a sent probe, at its packet ID modulo inFlight.
type flyingProbe struct {
	table *match.Table
	seq   uint64
	id    uint32
}

// openLane opens another UDP socket of wildcard's family.
func (s *Sender) openLane(wildcard netip.Addr) (*lane, packetio.Missing, error) {
	l := &lane{
		ip4: wildcard.Is4(), sessions: map[netip.AddrPort]*session{},
		out: make([]packetio.Packet, 0, sendBatch), staged: make([]stagedProbe, 0, sendBatch),
	}
	options := packetio.Options{
		MaxSize: s.config.MaxSize + replyGrowth, Batch: readBatch, Transmit: s.config.Transmit, Errors: true,
		Stamp: func() { s.stampLane(l) },
	}
	var err error
	var missing packetio.Missing
	l.conn, missing, err = s.network.ListenUDP(netip.AddrPortFrom(wildcard, 0), options, token(laneSocket, len(s.lanes), 0))
	if err != nil {
		return nil, nil, err
	}
	s.lanes = append(s.lanes, l)
	return l, missing, nil
}

// enter puts a session on a lane of its family that has none to the same address.
func (s *Sender) enter(x *session) {
	wildcard := netip.IPv6Unspecified()
	if x.Remote.Addr().Is4() {
		wildcard = netip.IPv4Unspecified()
	}
	for _, l := range s.lanes {
		if l.ip4 == wildcard.Is4() && l.sessions[x.Remote] == nil {
			x.lane = l
			break
		}
	}
	if x.lane == nil {
		l, _, err := s.openLane(wildcard)
		if err != nil {
			s.unable(x, err)
			return
		}
		x.lane = l
	}
	x.lane.sessions[x.Remote] = x
}

// stage makes a session's probe ready to leave with the others that are due.
func (s *Sender) stage(x *session, slot clock.Mono) {
	l := x.lane
	if l == nil {
		s.counters.Inc(selfstats.SkippedSendError)
		return
	}
	if len(l.out) == sendBatch {
		s.flush(l)
	}
	if x.speaking != &x.text && !x.doubts(slot) {
		s.stageStamp(x, slot)
		return
	}
	_, number := x.text.table.Next()
	message := x.template.Message(number, int64(clock.WallNow()))
	if message == nil {
		s.refuse(x, errClockUnset)
		return
	}
	l.out = append(l.out, packetio.Packet{Data: message, Remote: x.Remote, TOS: x.DSCP << 2, TTL: x.TTL, Notify: true})
	l.staged = append(l.staged, stagedProbe{session: x, slot: slot, flow: &x.text})
}

// flush sends what is staged. A probe that the system refuses is counted, and those behind it are
// tried again.
func (s *Sender) flush(l *lane) {
	for len(l.out) > 0 {
		n, err := l.conn.WriteBatch(l.out)
		s.countLeft(l.staged[:n], l.mono)
		for i := range n {
			s.left(l, &l.out[i], &l.staged[i])
		}
		if err != nil {
			s.refuse(l.staged[n].session, err)
			n++
		}
		l.out = l.out[:copy(l.out, l.out[n:])]
		l.staged = l.staged[:copy(l.staged, l.staged[n:])]
		s.readNotices(l)
	}
}

// stampLane stamps the staged probes, last before they leave.
func (s *Sender) stampLane(l *lane) {
	l.wall, l.mono = clock.Now()
	for i := range l.staged {
		s.stampProbe(&l.staged[i], l.out[i].Data, l.wall)
	}
}

// left records a probe that the system took, and that its transmit timestamp is expected if it asked for that.
func (s *Sender) left(l *lane, p *packetio.Packet, probe *stagedProbe) {
	table, wall, mono := probe.flow.table, l.wall, l.mono
	seq, _ := table.Next()
	if probe.unasked {
		table.AddUnasked(mono, wall, s.step.Epoch())
	} else {
		table.Add(mono, wall, s.step.Epoch())
	}
	probe.session.takePlace(probe.flow, seq)
	if p.Notify {
		l.flying[p.ID%inFlight] = flyingProbe{table, seq, p.ID}
	}
}

// countLeft counts probes that the system took at mono: together and before they are recorded, because each change of
// a counter waits until all that was written before has reached memory, and a probe's place in its table is far away.
func (s *Sender) countLeft(probes []stagedProbe, mono clock.Mono) {
	oneWay := uint64(0)
	for i := range probes {
		s.tookSlot(probes[i].session, probes[i].slot, mono)
		if probes[i].unasked {
			oneWay++
		}
	}
	s.counters.Add(selfstats.ProbesOneWay, oneWay)
	s.counters.Add(selfstats.SlotsSent, uint64(len(probes)))
}

// stampProbe writes the time, and what depends on it, into a staged probe.
func (s *Sender) stampProbe(probe *stagedProbe, data []byte, wall clock.Wall) {
	if x := probe.session; probe.flow == &x.text {
		x.template.Stamp(int64(wall))
	} else {
		s.stampPacket(x.stamp, data, wall)
	}
}

// readyLane reads what came in on a lane.
func (s *Sender) readyLane(l *lane, r loop.Ready, limit int) {
	if r.Notice {
		s.readNotices(l)
	}
	if !r.Read {
		return
	}
	n, err := l.conn.ReadBatch(s.packets[:min(limit, readBatch)])
	if err != nil {
		s.counters.Inc(selfstats.ReceiveFailed)
	}
	s.checkStep()
	wall, mono := clock.Now()
	for i := range n {
		p := &s.packets[i]
		s.readReply(l, p, s.arrival(p.At, p.Stamp, wall, mono))
	}
	overflow := l.conn.Overflow()
	s.counters.Add(selfstats.QueueOverflow, overflow-l.overflow)
	l.overflow = overflow
}

// readReply takes one datagram, which arrived at the time now.
func (s *Sender) readReply(l *lane, p *packetio.Packet, now clock.Mono) {
	x := l.sessions[p.Remote]
	if x == nil || x.text.table != nil {
		m, err := textproto.Decode(p.Data)
		switch {
		case err != nil: // STAMP perhaps
		case x == nil:
			s.counters.Inc(selfstats.RepliesUnmatched)
			return
		default:
			s.readText(x, &m, p, now)
			return
		}
	}
	switch {
	case x != nil && x.stamp != nil:
		s.readStamp(x, p, now)
	case x == nil && len(p.Data) >= stamp.MinReflectorSize: // to a probe of a session that was removed
		s.counters.Inc(selfstats.RepliesUnmatched)
	default:
		s.counters.Inc(selfstats.RepliesMalformed)
	}
}

// readText takes a reply in text. It may say that the target knows STAMP.
func (s *Sender) readText(x *session, m *textproto.Message, p *packetio.Packet, now clock.Mono) {
	verdict := s.answered(x, uint64(m.Seq), reply{t2: m.Timestamp, t4: p.At, stamp: p.Stamp, read: now})
	current := verdict == match.Fresh || verdict == match.Ambiguous
	if !current || x.Protocol != measurement.Auto {
		return
	}
	if bytes.HasPrefix(m.Padding, stampAnswer) {
		s.upgrade(x, now)
		s.contradicted(x, now)
	} else {
		s.fallBack(x, now)
	}
}

// readNotices takes transmit timestamps and ICMP errors.
func (s *Sender) readNotices(l *lane) {
	for {
		n, err := l.conn.ReadNotices(s.notices)
		if err != nil {
			s.counters.Inc(selfstats.ReceiveFailed)
		}
		for i := range n {
			s.readNotice(l, &s.notices[i])
		}
		if n < len(s.notices) {
			return
		}
	}
}

func (s *Sender) readNotice(l *lane, n *packetio.Notice) {
	if n.Transmitted != 0 {
		if f := &l.flying[n.ID%inFlight]; f.table != nil && f.id == n.ID {
			f.table.Transmitted(f.seq, n.Transmitted)
		}
		return
	}
	x := l.sessions[n.Remote]
	if x == nil {
		return // of a session that was removed
	}
	f, number, known := x.quoted(n.Data)
	s.bounced(x, f, number, known, int64(n.Errno))
}
