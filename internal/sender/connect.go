package sender

import (
	"errors"
	"syscall"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// sendConnect starts the fresh connection that is this slot's probe.
func (s *Sender) sendConnect(x *session, slot clock.Mono) {
	seq, _ := x.text.table.Next()
	wall, mono := clock.Now()
	stream, err := s.network.Dial(x.Remote, marking(&x.Session), token(connectSocket, x.index, uint32(seq)))
	if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
		s.refuse(x, err)
		return
	}
	s.sent(x, slot, mono, wall)
	if err != nil { // refused while we were still in the call
		s.bounced(x, &x.text, uint64(uint32(seq)), true, int64(syscall.ECONNREFUSED))
		return
	}
	x.dials[seq%uint64(len(x.dials))] = stream
}

// readyConnect takes the outcome of the handshake of probe serial.
func (s *Sender) readyConnect(x *session, serial uint32) {
	next, _ := x.text.table.Next()
	p, ok := x.text.table.Lookup(next - uint64(uint32(next)-serial))
	if !ok || x.dials[p.Seq%uint64(len(x.dials))] == nil {
		return
	}
	now := clock.MonoNow()
	handshake, err := x.dials[p.Seq%uint64(len(x.dials))].Handshake()
	switch {
	case errors.Is(err, packetio.ErrWouldBlock):
		return
	case err != nil:
		s.bounced(x, &x.text, uint64(serial), true, errnoOf(err))
		return
	}
	s.hangUp(x, p.Seq)
	elapsed, source := s.handshakeTime(handshake, now.Sub(p.Sent))
	if _, v, _ := x.text.table.Match(&match.Reply{Number: uint64(serial), Read: p.Sent.Add(elapsed)}); v == match.Overdue {
		s.overdue(x, &x.text, &p, now)
		return
	}
	s.counters.Inc(selfstats.ProbesAnswered)
	s.heard(x, p.Seq, now)
	s.publishLatency(x, &p, int64(elapsed), source)
}

// handshakeTime is how long a handshake took that was over for us after elapsed. The kernel measures
// without our wake-up in between. But when a SYN had to be sent again, it measures from the last one,
// which hides the wait.
func (s *Sender) handshakeTime(h packetio.Handshake, elapsed time.Duration) (time.Duration, measurement.TimestampSource) {
	if h.RTT > 0 && h.Retransmits == 0 {
		return h.RTT, measurement.SourceKernel
	}
	s.counters.Add(selfstats.SynRetransmits, uint64(h.Retransmits))
	return elapsed, measurement.SourceUser
}

// hangUp ends the connection of probe seq, if there is one, without leaving a TIME_WAIT behind.
func (s *Sender) hangUp(x *session, seq uint64) {
	if x.dials == nil {
		return
	}
	place := &x.dials[seq%uint64(len(x.dials))]
	if *place != nil {
		(*place).Reset()
		*place = nil
	}
}
