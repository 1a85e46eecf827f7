package datadog

// second is what is known of one second of a series.
type second struct {
	at       int64  // since the Unix epoch
	touched  uint32 // the generation in which its last point came; see Backend
	unsent   int    // points that came since it was last delivered
	count    uint64
	min, max int64
	sum      sum
	values   sketch
}

// sum adds values up without overflow.
type sum struct {
	high int64  // in units of 1 << 32
	low  uint64 // below 1 << 32 for each value
}

// Octets that things take, for the memory bound.
const (
	secondOctets = 120
	bucketOctets = 4
)

func (s *second) octets() int { return secondOctets + bucketOctets*cap(s.values) }

// add adds a value. Of lost probes only the count is wanted.
func (s *second) add(value int64, loss bool) {
	if s.count == 0 {
		s.min, s.max = value, value
	}
	s.min, s.max = min(s.min, value), max(s.max, value)
	s.count++
	s.unsent++
	s.sum.add(value)
	if !loss {
		s.values.add(value)
	}
}

func (s *sum) add(value int64) {
	s.high += value >> 32
	s.low += uint64(value) & (1<<32 - 1)
}

// float is exact up to 1 << 53: 104 days in nanoseconds.
func (s sum) float() float64 { return float64(s.high)*(1<<32) + float64(s.low) }

func (s *second) mean() float64 { return s.sum.float() / float64(s.count) }

// p99 is the least value that has 99 of 100 others at or below it. Below 100 values that is the greatest.
func (s *second) p99() int64 {
	rank := s.count - s.count/100
	if rank == s.count {
		return s.max
	}
	return max(s.min, min(s.max, s.values.rank(rank)))
}
