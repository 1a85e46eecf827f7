package reflector

import (
	"errors"

	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
)

const (
	// unreadFloor is how many octets of replies may wait for a peer to read them, however short
	// messages are; else it is two of the longest.
	unreadFloor = 16 << 10
	// unreadTotal is how many octets of replies may wait for all peers.
	unreadTotal = 8 << 20
)

// replies are replies to be written to a connection, in order.
type replies struct {
	octets  []byte
	lengths []uint32 // of each reply; of the first, what is left of it
}

func (q *replies) add(m textproto.Message, name string, at int64) {
	before := len(q.octets)
	q.octets = textproto.AppendReply(q.octets, m, name, at)
	q.lengths = append(q.lengths, uint32(len(q.octets)-before))
}

// written takes the first n octets out and returns how many replies ended within them.
func (q *replies) written(n int) (whole int) {
	q.octets = q.octets[:copy(q.octets, q.octets[n:])]
	for whole < len(q.lengths) && int(q.lengths[whole]) <= n {
		n -= int(q.lengths[whole])
		whole++
	}
	q.lengths = q.lengths[:copy(q.lengths, q.lengths[whole:])]
	if n > 0 {
		q.lengths[0] -= uint32(n)
	}
	return whole
}

// memory is how many octets are held.
func (q *replies) memory() int { return cap(q.octets) + 4*cap(q.lengths) }

// flush hands the staged replies to the connection. What it has no room for waits. False: the
// connection can't go on.
func (r *Reflector) flush(p *peer) bool {
	r.countReceived()
	ok := r.resume(p) && (p.waits || r.write(p, &r.staged)) && r.wait(p)
	r.lose(&r.staged)
	return ok
}

// write writes as much as there is room for; false when the connection can't go on.
func (r *Reflector) write(p *peer, q *replies) bool {
	if len(q.octets) == 0 {
		return true
	}
	n, err := p.stream.Write(q.octets)
	if err != nil {
		return errors.Is(err, packetio.ErrWouldBlock)
	}
	r.counters.Add(selfstats.ProbesReflected, uint64(q.written(n)))
	return true
}

// wait moves what is staged to where it waits for room; false when there is too much already, of this
// peer or of all.
func (r *Reflector) wait(p *peer) bool {
	n := len(r.staged.octets)
	if n == 0 {
		return true
	}
	if len(p.unread.octets)+n > r.unreadLimit() || r.unread+n > unreadTotal {
		r.counters.Inc(selfstats.ConnectionsStalled)
		p.stalled = true
		return false
	}
	r.unread -= p.unread.memory()
	p.unread.octets = append(p.unread.octets, r.staged.octets...)
	p.unread.lengths = append(p.unread.lengths, r.staged.lengths...)
	r.unread += p.unread.memory()
	r.staged.octets, r.staged.lengths = r.staged.octets[:0], r.staged.lengths[:0]
	if !p.waits {
		p.waits = true
		p.stream.WantWrite(true)
	}
	return true
}

// unreadLimit is how many octets of replies may wait for one peer.
func (r *Reflector) unreadLimit() int { return max(unreadFloor, 2*r.config.MaxSize) }

// resume writes what waits, now that there is room; false when the connection can't go on.
func (r *Reflector) resume(p *peer) bool {
	if !p.waits {
		return true
	}
	if !r.write(p, &p.unread) {
		return false
	}
	if len(p.unread.octets) == 0 {
		r.release(p)
		p.stream.WantWrite(false)
	}
	return true
}

// release gives up a peer's replies with their memory: few peers let them wait.
func (r *Reflector) release(p *peer) {
	r.lose(&p.unread)
	r.unread -= p.unread.memory()
	p.unread, p.waits = replies{}, false
}

// lose counts replies that can't be written any more.
func (r *Reflector) lose(q *replies) {
	r.counters.Add(selfstats.ReflectFailed, uint64(len(q.lengths)))
	q.octets, q.lengths = q.octets[:0], q.lengths[:0]
}
