package reflector

import (
	"net/netip"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

const (
	readBatch = 64
	// noticeBatch is how many notices a Conn reads at most at once: fewer were all that there were.
	noticeBatch = 16
	// oldest is the earliest T1 of text that is answered, in 2001: since then timestamps have 19 digits,
	// so ours does not make the reply longer.
	oldest = 1e18
	// kindSticks is for how long an address that sent text, and did not ask for STAMP, sends text only.
	kindSticks = 10 * time.Second
)

// socket is one UDP socket with the replies to what was read last.
type socket struct {
	conn     packetio.Conn
	port     uint16
	overflow uint64
	replies  []packetio.Packet
	first    int // of those that are being sent
	end      int
	pending  [readBatch]pendingReply // by index in replies
	buffers  [readBatch][]byte       // by index in what was read
	noted    noted
}

func (r *Reflector) listenUDP(local netip.AddrPort) (packetio.Missing, error) {
	s := &socket{replies: make([]packetio.Packet, 0, readBatch)}
	options := packetio.Options{
		MaxSize: r.config.MaxSize, Batch: readBatch, Stamp: func() { r.complete(s) }, Transmit: true, Marks: true,
	}
	conn, missing, err := r.network.ListenUDP(local, options, token(udpSocket, len(r.sockets), 0))
	if err != nil {
		return nil, err
	}
	s.conn, s.port = conn, conn.LocalAddr().Port()
	for i := range s.buffers {
		s.buffers[i] = make([]byte, 0, max(r.config.MaxSize, stamp.BaseSize)+textproto.MaxName)
	}
	r.sockets = append(r.sockets, s)
	r.ports = append(r.ports, s.port)
	return missing, nil
}

// readyUDP reads a batch of probes, answers them, and then publishes what they tell.
func (r *Reflector) readyUDP(s *socket, limit int) {
	n, err := s.conn.ReadBatch(r.packets[:min(limit, readBatch)])
	if err != nil {
		r.counters.Inc(selfstats.ReceiveFailed)
	}
	now := clock.MonoNow()
	r.estimate.refresh(now) // after a time with nobody to answer it is old
	s.replies = s.replies[:0]
	for k := range n {
		r.reflect(s, k, &r.packets[k], now)
	}
	r.countReceived()
	r.answer(s)
	r.publishArrived()
	overflow := s.conn.Overflow()
	r.counters.Add(selfstats.QueueOverflow, overflow-s.overflow)
	s.overflow = overflow
}

// reflect takes packet k of a batch and, if it is a probe, stages the reply. What parses strictly as text
// is text, all else may be STAMP.
func (r *Reflector) reflect(s *socket, k int, p *packetio.Packet, now clock.Mono) {
	if !r.admits(p.Remote.Addr(), now) {
		return
	}
	if p.Cut {
		r.counters.Inc(selfstats.ProbesOversized)
		return
	}
	if textproto.Possible(p.Data) {
		if m, err := textproto.Decode(p.Data); err == nil && !r.isFlows(p) {
			r.reflectText(s, k, p, &m, now)
			return
		}
	}
	r.reflectStamp(s, k, p, now)
}

// isTexts reports whether a datagram that is no text comes from an address that sends text. A prober that
// asks for STAMP may go over to it.
func (r *Reflector) isTexts(p *packetio.Packet, now clock.Mono) bool {
	x := r.sessions.udp[ends{p.Remote, p.Local}]
	return x != nil && !x.asked && now.Sub(x.last) <= max(kindSticks, idleIntervals*x.gap)
}

// reflectText takes a text message and stages the reply.
func (r *Reflector) reflectText(s *socket, k int, p *packetio.Packet, m *textproto.Message, now clock.Mono) {
	if m.Timestamp < oldest {
		r.counters.Inc(selfstats.ProbesMalformed)
		return
	}
	if r.config.Stamp.RequireAuth {
		r.counters.Inc(selfstats.ProbesUnauthenticated)
		return
	}
	if r.answersAt(p.Remote.Port()) {
		r.counters.Inc(selfstats.ProbesLooped)
		return
	}
	a := arrival{
		transport: measurement.UDP, ends: ends{p.Remote, p.Local}, message: *m, t1: m.Timestamp, at: p.At, stamp: p.Stamp, now: now,
	}
	x, own := r.find(r.sessions.udp[ends{p.Remote, p.Local}], &a)
	if x == nil {
		return
	}
	if x.circle.closed(m.Seq) {
		r.counters.Inc(selfstats.ProbesLooped)
		return
	}
	x.asked, x.left = m.AsksStamp(), false
	reply := textproto.AppendStampReply(s.buffers[k], *m, r.config.Name, int64(p.At))
	s.pending[len(s.replies)] = pendingReply{}
	s.replies = append(s.replies, packetio.Packet{Data: reply, Remote: p.Remote, Local: p.Local})
	r.receive(&a)
	if own {
		r.arrive(x, &a)
	}
}
