// Package ring is the road from a measuring thread to the exporter: a lock-free queue of fixed-size
// samples with exactly one producer and one consumer.
//
// The producer never waits. When the ring is full the new sample is dropped and counted, because a
// measuring thread that waited would measure its own waiting. The consumer polls.
package ring

import (
	"fmt"
	"sync/atomic"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// cacheLine keeps the two cursors apart, so that a producer's store does not take the consumer's line away.
const cacheLine = 64

// SPSC is a single-producer, single-consumer ring. One goroutine or thread may call the producing
// methods (Push, PushAll), another one the consuming method (Pop), at the same time; Len, Cap and
// Dropped may be called from anywhere.
//
// Memory order: the producer writes samples, then stores head; the consumer that loads this head
// sees the samples. The consumer copies samples out, then stores tail; the producer that loads this
// tail may overwrite their places. Go's atomics are sequentially consistent, which is more than the
// release/acquire pairs that are needed, also between two processes that map the same memory.
type SPSC struct {
	head    atomic.Uint64 // samples ever pushed; written by the producer only
	_       [cacheLine - 8]byte
	tail    atomic.Uint64 // samples ever popped; written by the consumer only
	_       [cacheLine - 8]byte
	dropped atomic.Uint64 // written by the producer only
	_       [cacheLine - 8]byte

	seenTail uint64 // the producer's last look at tail: saves a cache miss per push
	mask     uint64
	samples  []measurement.Sample
}

// New makes a ring of the given capacity in samples, which must be a power of two.
func New(capacity int) (*SPSC, error) {
	if capacity < 1 || capacity&(capacity-1) != 0 {
		return nil, fmt.Errorf("ring capacity %d: must be a power of two", capacity)
	}
	return &SPSC{mask: uint64(capacity - 1), samples: make([]measurement.Sample, capacity)}, nil
}

// Push appends a copy of *s and reports whether there was room; if not, the drop is counted. It does
// not allocate.
func (r *SPSC) Push(s *measurement.Sample) bool {
	head := r.head.Load()
	if !r.room(head, 1) {
		r.dropped.Add(1)
		return false
	}
	r.samples[head&r.mask] = *s
	r.head.Store(head + 1)
	return true
}

// PushAll appends n samples, made one after the other by next, or none at all: it reports false,
// without counting a drop, when there is no room for all of them. They become visible together.
func (r *SPSC) PushAll(n int, next func(i int) measurement.Sample) bool {
	head := r.head.Load()
	if !r.room(head, uint64(n)) {
		return false
	}
	for i := range n {
		r.samples[(head+uint64(i))&r.mask] = next(i)
	}
	r.head.Store(head + uint64(n))
	return true
}

// room reports whether n samples fit behind head.
func (r *SPSC) room(head, n uint64) bool {
	capacity := r.mask + 1
	if head-r.seenTail+n <= capacity {
		return true
	}
	r.seenTail = r.tail.Load()
	return head-r.seenTail+n <= capacity
}

// Pop moves up to len(dst) of the oldest samples to dst and returns how many; 0 when the ring is
// empty. It does not block and does not allocate.
func (r *SPSC) Pop(dst []measurement.Sample) int {
	tail := r.tail.Load()
	n := min(r.head.Load()-tail, uint64(len(dst)), r.mask+1)
	for i := range n {
		dst[i] = r.samples[(tail+i)&r.mask]
	}
	r.tail.Store(tail + n)
	return int(n)
}

// Len is how many samples wait to be popped: exact for the consumer, a snapshot for others.
func (r *SPSC) Len() int { return int(r.head.Load() - r.tail.Load()) }

// Cap is the ring's capacity in samples.
func (r *SPSC) Cap() int { return len(r.samples) }

// Dropped is how many samples were pushed into a full ring and so lost.
func (r *SPSC) Dropped() uint64 { return r.dropped.Load() }
