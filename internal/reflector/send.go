package reflector

import (
	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// pendingReply is what is to be done yet with a staged reply.
type pendingReply struct {
	codec   *stamp.Codec // writes T3; nil for text
	session *session     // of a STAMP reply
	serial  uint64       // of its flow
	seq     uint32       // the reply's own number
}

// sendBatch is how many replies leave in one system call: T3 of more would be too long before they do.
const sendBatch = 16

// answer sends the staged replies.
func (r *Reflector) answer(s *socket) {
	for first := 0; first < len(s.replies); {
		s.first, s.end = first, min(first+sendBatch, len(s.replies))
		n, err := s.conn.WriteBatch(s.replies[first:s.end])
		r.counters.Add(selfstats.ProbesReflected, uint64(n))
		s.note(first, n)
		if err != nil {
			r.counters.Inc(selfstats.ReflectFailed)
			n++
		}
		first += n
	}
}

// complete writes T3 into the STAMP replies that are being sent, last before they leave.
func (r *Reflector) complete(s *socket) {
	var t3 stamp.Timestamp
	for i := s.first; i < s.end; i++ {
		codec := s.pending[i].codec
		if codec == nil {
			continue
		}
		if t3 == 0 {
			t3 = r.estimate.timestamp(clock.WallNow())
		}
		reply := s.replies[i].Data
		_ = codec.StampReflector(reply[:max(len(reply), stamp.BaseSize)], t3) // a buffer has room for that
	}
}

// notedReplies is how many replies may be on their way out at a time with a notice to come.
const notedReplies = 2 * readBatch

// noted are the replies sent last of which a notice is to come: a ring.
type noted struct {
	replies [notedReplies]struct {
		id uint32 // the packet's
		pendingReply
	}
	next int
}

// note remembers the replies of which a notice will come, of n that were sent from first on.
func (s *socket) note(first, n int) {
	for i := first; i < first+n; i++ {
		if s.replies[i].Notify {
			x := &s.noted.replies[s.noted.next]
			x.id, x.pendingReply = s.replies[i].ID, s.pending[i]
			s.noted.next = (s.noted.next + 1) % notedReplies
		}
	}
}

// readNotices learns when replies really left, for Follow-Up Telemetry.
func (r *Reflector) readNotices(s *socket) {
	for {
		n, err := s.conn.ReadNotices(r.notices[:])
		for i := range n {
			s.noted.settle(&r.notices[i])
		}
		if err != nil || n < len(r.notices) {
			return
		}
	}
}

// settle tells a session when its reply left, if that is still the session.
func (q *noted) settle(n *packetio.Notice) {
	if n.Transmitted == 0 {
		return
	}
	for i := range q.replies {
		x := &q.replies[i]
		if x.session == nil || x.id != n.ID {
			continue
		}
		if f := x.session.flow; f != nil && f.serial == x.serial {
			f.left, f.leftAt = x.seq, n.Transmitted
		}
		x.session = nil
		return
	}
}
