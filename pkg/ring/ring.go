// Package ring is the road from a measuring thread to the exporter: a lock-free queue of fixed-size
// samples with exactly one producer and one consumer, in one process or in two that share memory.
//
// The producer never waits. When the ring is full the new sample is dropped and counted, because a
// measuring thread that waited would measure its own waiting. A consumer polls as long as samples
// come, and may sleep when none do; only then a push wakes it.
//
// The producer may parse what strangers send, so the consumer does not believe it: a cursor that can't
// be right is counted and costs what was in the ring, never more.
package ring

import (
	"fmt"
	"sync/atomic"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// cacheLine keeps words of different writers apart, so that a store of one side does not take the
// other side's line away.
const cacheLine = 64

// Cursors is the part of a ring that both sides look at. The zero value is that of an empty ring. It
// holds no pointers and has the same layout in all processes of one program, so it may lie in memory
// that two processes share; see In.
type Cursors struct {
	head    atomic.Uint64 // samples ever pushed; written by the producer only
	dropped atomic.Uint64 // written by the producer only
	_       [cacheLine - 16]byte
	tail    atomic.Uint64 // samples ever popped; written by the consumer only
	_       [cacheLine - 8]byte
	asleep  atomic.Uint32 // 1: the consumer wants to be woken; set by the consumer, taken back by either
	_       [cacheLine - 4]byte
}

// SPSC is one side's, or in one process both sides', view of a single-producer, single-consumer ring.
// One goroutine or thread may call the producing methods (Push, PushAll, Place, Publish), another one
// the consuming methods (Pop, Sleep, Wake), at the same time; Len, Cap, Dropped and Corrupted may be
// called from anywhere.
//
// Memory order: the producer writes samples, then stores head; the consumer that loads this head
// sees the samples. The consumer copies samples out, then stores tail; the producer that loads this
// tail may overwrite their places. For sleeping, each side stores before it looks: the consumer stores
// asleep, then loads head; the producer stores head, then loads asleep. So one of the two sees the
// other. Go's atomics are sequentially consistent, which is more than the release/acquire pairs that
// the samples need and just what sleeping needs. They are the processor's own instructions on the
// memory itself, so all this holds between two processes that map the same memory, too.
type SPSC struct {
	cursors *Cursors
	samples []measurement.Sample
	mask    uint64

	// The producer's own.
	written  uint64 // samples from head on that are not published yet
	seenTail uint64 // its last look at tail: saves a cache miss per push
	wake     func()

	// The consumer's own.
	popped    uint64 // what tail should be; it is never read back
	corrupted atomic.Uint64
}

// New makes a ring of the given capacity in samples, which must be a power of two, in memory of this
// process.
func New(capacity int) (*SPSC, error) {
	if err := checkCapacity(capacity); err != nil {
		return nil, err
	}
	return In(new(Cursors), make([]measurement.Sample, capacity))
}

// In makes a view of the ring that lies in the given memory, which the caller keeps mapped as long as
// the ring is used. len(samples) is the capacity and must be a power of two. A new view begins where
// the other side's cursors are; for a new ring all of the memory must be 0.
func In(c *Cursors, samples []measurement.Sample) (*SPSC, error) {
	if err := checkCapacity(len(samples)); err != nil {
		return nil, err
	}
	tail := c.tail.Load()
	return &SPSC{
		cursors: c, samples: samples, mask: uint64(len(samples) - 1), seenTail: tail, popped: tail,
		wake: func() {},
	}, nil
}

func checkCapacity(capacity int) error {
	if capacity < 1 || capacity&(capacity-1) != 0 {
		return fmt.Errorf("ring capacity %d: must be a power of two", capacity)
	}
	return nil
}

// OnSleeper sets what the producer calls after a push that finds the consumer asleep, on the pushing
// thread. It must be set before the first push.
func (r *SPSC) OnSleeper(wake func()) { r.wake = wake }

// Push appends a copy of *s and reports whether there was room; if not, the drop is counted. It does
// not allocate.
func (r *SPSC) Push(s *measurement.Sample) bool {
	place := r.Place()
	if place != nil {
		*place = *s
	}
	r.Publish()
	return place != nil
}

// Place is where the next sample is to be written, every field of it; nil when there is no room, which is counted. The
// consumer sees it after the next Publish, Push or PushAll. For several samples that is cheaper than Push: none is
// copied, and not each of them has to reach memory that the consumer read before the next is made.
func (r *SPSC) Place() *measurement.Sample {
	next := r.next()
	if !r.room(next, 1) {
		r.cursors.dropped.Add(1)
		return nil
	}
	r.written++
	return &r.samples[next&r.mask]
}

// PushAll appends n samples, made one after the other by next, or none at all: it reports false,
// without counting a drop, when there is no room for all of them. They become visible together.
func (r *SPSC) PushAll(n int, next func(i int) measurement.Sample) bool {
	first := r.next()
	if !r.room(first, uint64(n)) {
		return false
	}
	for i := range n {
		r.samples[(first+uint64(i))&r.mask] = next(i)
	}
	r.written += uint64(n)
	r.Publish()
	return true
}

// next is the number of the sample to be written next.
func (r *SPSC) next() uint64 { return r.cursors.head.Load() + r.written }

// room reports whether n samples from next on fit in.
func (r *SPSC) room(next, n uint64) bool {
	capacity := r.mask + 1
	if next-r.seenTail+n <= capacity {
		return true
	}
	r.seenTail = r.cursors.tail.Load()
	return next-r.seenTail+n <= capacity
}

// Publish makes what is written visible, and wakes the consumer if it sleeps.
func (r *SPSC) Publish() {
	if r.written == 0 {
		return
	}
	r.cursors.head.Store(r.next())
	r.written = 0
	if r.cursors.asleep.Load() != 0 && r.cursors.asleep.Swap(0) != 0 {
		r.wake()
	}
}

// Pop moves up to len(dst) of the oldest samples to dst and returns how many; 0 when the ring is
// empty. It does not block and does not allocate. What the samples say is the producer's word: look at
// every field before relying on it.
func (r *SPSC) Pop(dst []measurement.Sample) int {
	head := r.cursors.head.Load()
	waiting := head - r.popped
	if waiting > r.mask+1 {
		r.corrupted.Add(1)
		r.popped = head
		r.cursors.tail.Store(head)
		return 0
	}
	n := min(waiting, uint64(len(dst)))
	for i := range n {
		dst[i] = r.samples[(r.popped+i)&r.mask]
	}
	r.popped += n
	r.cursors.tail.Store(r.popped)
	return int(n)
}

// Sleep announces that the consumer is going to wait until it is woken, and reports whether it may:
// not if there are samples. The first push from now on calls what OnSleeper was given.
func (r *SPSC) Sleep() bool {
	r.cursors.asleep.Store(1)
	if r.cursors.head.Load() != r.popped {
		r.Wake()
		return false
	}
	return true
}

// Wake takes back what Sleep announced.
func (r *SPSC) Wake() { r.cursors.asleep.Store(0) }

// Len is how many samples wait to be popped: exact for the consumer, a snapshot for others.
func (r *SPSC) Len() int {
	tail := r.cursors.tail.Load() // first, so that it can't overtake head
	return int(min(r.cursors.head.Load()-tail, r.mask+1))
}

// Cap is the ring's capacity in samples.
func (r *SPSC) Cap() int { return len(r.samples) }

// Dropped is how many samples were pushed into a full ring and so lost.
func (r *SPSC) Dropped() uint64 { return r.cursors.dropped.Load() }

// Corrupted is how many times the consumer found the producer's cursor where it can't be, and passed
// over all that was in the ring.
func (r *SPSC) Corrupted() uint64 { return r.corrupted.Load() }
