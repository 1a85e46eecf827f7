package reflector

import (
	"net/netip"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const (
	readBatch = 64
	// oldest is the earliest T1 that is answered, in 2001: since then timestamps have 19 digits, so
	// ours does not make the reply longer.
	oldest = 1e18
)

// socket is one UDP socket with the replies to what was read last.
type socket struct {
	conn     packetio.Conn
	overflow uint64
	replies  []packetio.Packet
	buffers  [readBatch][]byte
}

func (r *Reflector) listenUDP(local netip.AddrPort) (packetio.Missing, error) {
	options := packetio.Options{MaxSize: r.config.MaxSize, Batch: readBatch}
	conn, missing, err := r.network.ListenUDP(local, options, token(udpSocket, len(r.sockets), 0))
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn, replies: make([]packetio.Packet, 0, readBatch)}
	for i := range s.buffers {
		s.buffers[i] = make([]byte, 0, r.config.MaxSize+textproto.MaxName)
	}
	r.sockets = append(r.sockets, s)
	r.ports = append(r.ports, conn.LocalAddr().Port())
	return missing, nil
}

// readyUDP reads a batch of probes, answers them, and then publishes what they tell.
func (r *Reflector) readyUDP(s *socket, limit int) {
	n, err := s.conn.ReadBatch(r.packets[:min(limit, readBatch)])
	if err != nil {
		r.counters.Inc(selfstats.ReceiveFailed)
	}
	now := clock.MonoNow()
	s.replies, r.arrived = s.replies[:0], r.arrived[:0]
	for i := range n {
		r.reflect(s, &r.packets[i], now)
	}
	r.answer(s)
	r.publishArrived()
	overflow := s.conn.Overflow()
	r.counters.Add(selfstats.QueueOverflow, overflow-s.overflow)
	s.overflow = overflow
}

// reflect takes one datagram and, if it is a probe, stages the reply.
func (r *Reflector) reflect(s *socket, p *packetio.Packet, now clock.Mono) {
	if p.Cut {
		r.counters.Inc(selfstats.ProbesOversized)
		return
	}
	m, err := textproto.Decode(p.Data)
	if err != nil || m.Timestamp < oldest {
		r.counters.Inc(selfstats.ProbesMalformed)
		return
	}
	if r.answersAt(p.Remote.Port()) {
		r.counters.Inc(selfstats.ProbesLooped)
		return
	}
	a := arrival{transport: measurement.UDP, remote: p.Remote, message: m, at: p.At, stamp: p.Stamp, now: now}
	x, own := r.find(r.sessions.udp[p.Remote], &a)
	if x == nil {
		return
	}
	if x.circle.closed(m.Seq) {
		r.counters.Inc(selfstats.ProbesLooped)
		return
	}
	i := len(s.replies)
	reply := textproto.AppendReply(s.buffers[i], m, r.config.Name, int64(p.At))
	s.replies = append(s.replies, packetio.Packet{Data: reply, Remote: p.Remote, Local: p.Local})
	r.receive(&a)
	if own {
		r.arrive(x, &a)
	}
}

// answer sends the staged replies.
func (r *Reflector) answer(s *socket) {
	for rest := s.replies; len(rest) > 0; {
		n, err := s.conn.WriteBatch(rest)
		r.counters.Add(selfstats.ProbesReflected, uint64(n))
		if err != nil {
			r.counters.Inc(selfstats.ReflectFailed)
			n++
		}
		rest = rest[n:]
	}
}
