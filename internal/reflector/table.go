package reflector

import (
	"hash/maphash"
	"net/netip"

	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const (
	// chunk is how many sessions get their memory at once.
	chunk = 64
	// visitAtOnce is how many chunks are cleaned in one go, to keep that short.
	visitAtOnce = 128
	// roomy is the share of the table (1/roomy) that must be free again before it is told anew that it
	// is full: with sessions that come and go it would be all the time.
	roomy = 8
)

// table is all sessions. Its memory grows with new sessions, up to the limit, and is kept for those
// that come later; no probe of a known session makes it grow.
type table struct {
	pool[session]
	flowMemory pool[flow]
	udp        map[ends]*session    // text
	flows      map[flowKey]*session // STAMP
	seed       maphash.Seed
	nextID     measurement.SessionID
	serial     uint64 // of the flow opened last
	next       int    // the chunk to be visited next
	full       bool   // said so, and there has not been much room since
}

// ends are the two ends of a session's path: a prober may have targets at several addresses of this host.
type ends struct {
	remote netip.AddrPort
	local  netip.Addr // not valid over TCP, and where the system does not tell
}

// pool is memory for values of a kind.
type pool[T any] struct {
	limit  int
	chunks [][]T
	size   int // values in chunks
	free   []*T
}

func newTable(limit int) table {
	return table{
		pool: pool[session]{limit: limit}, flowMemory: pool[flow]{limit: limit},
		udp: make(map[ends]*session), flows: make(map[flowKey]*session),
		seed: maphash.MakeSeed(), nextID: measurement.ReflectedIDs,
	}
}

// hash gives the identity of a message's sender.
func (t *table) hash(m *textproto.Message) uint64 {
	return maphash.Bytes(t.seed, m.Name) ^ 31*maphash.Bytes(t.seed, m.Tags)
}

// newID gives an ID that was not given before.
func (t *table) newID() measurement.SessionID {
	id := t.nextID
	t.nextID = max(id+1, measurement.ReflectedIDs)
	return id
}

// open is how many are in use.
func (t *pool[T]) open() int { return t.size - len(t.free) }

// take gives memory, used before maybe; nil when there are too many.
func (t *pool[T]) take() *T {
	if len(t.free) == 0 {
		t.grow()
	}
	n := len(t.free)
	if n == 0 {
		return nil
	}
	x := t.free[n-1]
	t.free = t.free[:n-1]
	return x
}

func (t *pool[T]) grow() {
	values := make([]T, min(chunk, t.limit-t.size))
	if len(values) == 0 {
		return
	}
	t.chunks = append(t.chunks, values)
	t.size += len(values)
	for i := range values {
		t.free = append(t.free, &values[len(values)-1-i]) // so that they are taken in order
	}
}

// give takes memory back.
func (t *pool[T]) give(x *T) { t.free = append(t.free, x) }

// give takes a session's memory back.
func (t *table) give(x *session) {
	t.pool.give(x)
	if t.limit-t.open() > t.limit/roomy {
		t.full = false
	}
}

// visit gives the open sessions to do, all of them or, when there are many, those whose turn it is.
func (t *table) visit(do func(x *session)) {
	for range min(len(t.chunks), visitAtOnce) {
		t.next = (t.next + 1) % len(t.chunks)
		sessions := t.chunks[t.next]
		for i := range sessions {
			if sessions[i].open {
				do(&sessions[i])
			}
		}
	}
}
