package selfstats

import (
	"iter"
	"math/bits"
	"sync/atomic"
	"time"
)

// Histogram buckets: exact below 8 ns, then 8 per power of two, so a quantile is right within 12.5 %.
const (
	subBits = 3
	sub     = 1 << subBits
	buckets = 40 * sub // up to 2^42 ns, over an hour
)

// Histogram counts durations. One goroutine or thread may record, any may read. It has a fixed size
// and does not allocate.
type Histogram struct {
	counts [buckets]atomic.Uint64
	max    atomic.Int64
}

// Record counts d; a negative d counts as 0.
func (h *Histogram) Record(d time.Duration) {
	i := bucketOf(d)
	h.counts[i].Store(h.counts[i].Load() + 1)
	if int64(d) > h.max.Load() {
		h.max.Store(int64(d))
	}
}

func bucketOf(d time.Duration) int {
	v := uint64(max(0, d))
	if v < sub {
		return int(v)
	}
	exponent := bits.Len64(v) - 1 - subBits
	return min(buckets-1, exponent*sub+int(v>>exponent))
}

// upperEdge is the largest duration that falls into bucket i.
func upperEdge(i int) time.Duration {
	if i < 2*sub {
		return time.Duration(i)
	}
	exponent := i/sub - 1
	return time.Duration((uint64(i%sub+sub)+1)<<exponent - 1)
}

// add records what other has recorded.
func (h *Histogram) add(other *Histogram) {
	for i := range h.counts {
		h.counts[i].Store(h.counts[i].Load() + other.counts[i].Load())
	}
	h.max.Store(max(h.max.Load(), other.max.Load()))
}

func (h *Histogram) addTo(s *Snapshot) {
	for i := range h.counts {
		n := h.counts[i].Load()
		s.counts[i] += n
		s.Count += n
	}
	s.Max = max(s.Max, time.Duration(h.max.Load()))
}

// Snapshot is what a histogram, or several together, held at one time.
type Snapshot struct {
	Count  uint64
	Max    time.Duration // the largest; see Sub
	counts [buckets]uint64
}

// Sub is what was recorded since earlier. Its Max is rounded up to its bucket's edge, unless it is the
// largest of all time; 0 when nothing was recorded.
func (s Snapshot) Sub(earlier Snapshot) Snapshot {
	s.Count -= earlier.Count
	highest := time.Duration(0)
	for i := range s.counts {
		s.counts[i] -= earlier.counts[i]
		if s.counts[i] > 0 {
			highest = upperEdge(i)
		}
	}
	s.Max = min(s.Max, highest)
	return s
}

// Buckets yields, from the shortest on, the upper edges of the buckets that have anything and how many
// durations each has.
func (s Snapshot) Buckets() iter.Seq2[time.Duration, uint64] {
	return func(yield func(time.Duration, uint64) bool) {
		for i, n := range s.counts {
			if n > 0 && !yield(upperEdge(i), n) {
				return
			}
		}
	}
}

// Quantile gives the duration that share q (0 to 1) of the recorded ones do not exceed, rounded up to
// its bucket's edge; 0 when nothing was recorded.
func (s Snapshot) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(s.Count))
	for i, n := range s.counts {
		if n == 0 {
			continue
		}
		if rank < n {
			return min(upperEdge(i), s.Max)
		}
		rank -= n
	}
	return s.Max
}
