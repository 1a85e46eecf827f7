// Package clock reads the two clocks of the measurement and keeps them apart: Wall for timestamps
// that other hosts and kernel timestamps share, Mono for the schedule and for elapsed time. They are
// different types, so that mixing them does not compile.
//
// Readings go through the vDSO (time.Now), without a system call and without an allocation.
package clock

import "time"

// Wall is a reading of the wall clock (CLOCK_REALTIME) in nanoseconds since the Unix epoch. It may
// step.
type Wall int64

// Mono is a reading of the monotonic clock in nanoseconds. On Linux it is CLOCK_MONOTONIC itself, so
// that it can arm a timer with an absolute time; elsewhere it counts from the start of the process.
type Mono int64

// Never is later than every reading: the time of what is not going to happen.
const Never Mono = 1<<63 - 1

// base ties the runtime's monotonic reading to Mono. Written once, before main.
var base, baseMono = bind()

// Now reads both clocks, a few tens of nanoseconds apart.
func Now() (Wall, Mono) {
	t := time.Now()
	return Wall(t.UnixNano()), baseMono + Mono(t.Sub(base))
}

// WallNow reads the wall clock.
func WallNow() Wall { return Wall(time.Now().UnixNano()) }

// MonoNow reads the monotonic clock.
func MonoNow() Mono { return baseMono + Mono(time.Since(base)) }

// Add is the time d after m; Never stays Never.
func (m Mono) Add(d time.Duration) Mono {
	if m == Never {
		return Never
	}
	return m + Mono(d)
}

// Sub is how much later m is than earlier.
func (m Mono) Sub(earlier Mono) time.Duration { return time.Duration(m - earlier) }

// Sub is by how much w reads more than earlier.
func (w Wall) Sub(earlier Wall) time.Duration { return time.Duration(w - earlier) }

// Time gives w as a time.Time, for logs.
func (w Wall) Time() time.Time { return time.Unix(0, int64(w)) }
