package datadog

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// Buckets have the width of 1/64 of the power of two they lie in. Their middle is at most 1/128 off.
const (
	subBits    = 6
	subBuckets = 1 << subBits
)

// sketch is the distribution of values, in buckets of constant relative width. Values below 128 have one
// of their own each.
type sketch []bucket // ascending; an index may be there more than once

// bucket counts values of one index. Its size is most of a second's, hence the narrow types.
type bucket struct {
	index int16 // negative for negative values
	count uint16
}

// add counts a value.
func (s *sketch) add(value int64) {
	index := indexOf(value)
	at, found := slices.BinarySearchFunc(*s, index, func(b bucket, index int16) int { return cmp.Compare(b.index, index) })
	if found && (*s)[at].count < math.MaxUint16 {
		(*s)[at].count++
		return
	}
	*s = slices.Insert(*s, at, bucket{index, 1})
}

// rank returns about the value that has so many others at or below it, itself included, counted from 1.
func (s sketch) rank(n uint64) int64 {
	for _, b := range s {
		if n <= uint64(b.count) {
			return middle(b.index)
		}
		n -= uint64(b.count)
	}
	return math.MaxInt64
}

func indexOf(value int64) int16 {
	if value < 0 {
		return -indexOfMagnitude(uint64(-value)) // also of the least value: 1 << 63
	}
	return indexOfMagnitude(uint64(value))
}

func indexOfMagnitude(v uint64) int16 {
	shift := max(0, bits.Len64(v)-subBits-1)
	return int16(shift*subBuckets + int(v>>shift))
}

// middle is of the values with an index.
func middle(index int16) int64 {
	if index < 0 {
		return -middle(-index)
	}
	shift := max(0, int(index)/subBuckets-1)
	low := (uint64(index) - uint64(shift*subBuckets)) << shift
	return int64(min(low+(1<<shift)/2, math.MaxInt64))
}
