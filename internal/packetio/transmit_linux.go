package packetio

import (
	"github.com/latency-monitor/latency-monitor/internal/clock"
)

const (
	// numberings is how many failed sends transmit timestamps may be behind.
	numberings = 8
	// unreported is more than all transmit timestamps that fit into a socket's error queue.
	unreported = 1 << 20
)

// transmitIDs gives every packet sent on a socket its number, the ID, and knows which ID a transmit
// timestamp is about. The kernel numbers packets itself, from 0, and anew whenever a send failed; a
// timestamp from before that may be read after it.
type transmitIDs struct {
	kept   [numberings]numbering // a ring
	newest int
}

// numbering is one of the kernel's.
type numbering struct {
	since clock.Wall // its packets leave no earlier
	first uint32     // the ID of the packet that the kernel numbers 0
	sent  uint32     // how many packets it numbered; wraps as the kernel's number does
}

// next is the ID of the packet sent just now.
func (t *transmitIDs) next() uint32 {
	n := &t.kept[t.newest]
	n.sent++
	return n.first + n.sent - 1
}

// restart says that the kernel numbers from 0 the packets sent after now.
func (t *transmitIDs) restart(now clock.Wall) {
	last := t.kept[t.newest]
	if last.sent > 0 {
		t.newest = (t.newest + 1) % numberings
	}
	t.kept[t.newest] = numbering{since: now, first: last.first + last.sent}
}

// find is the ID of the packet that the kernel numbered number and sent at the time at; false when
// there is none, or none so recent.
func (t *transmitIDs) find(at clock.Wall, number uint32) (id uint32, ok bool) {
	for i := range numberings {
		n := &t.kept[(t.newest+numberings-i)%numberings]
		if n.since <= at {
			return n.first + number, n.sent-number-1 < unreported
		}
	}
	return 0, false
}
