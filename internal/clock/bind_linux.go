package clock

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/sys"
)

// bind reads the runtime's monotonic clock, which is CLOCK_MONOTONIC counted from the start of the
// process, together with CLOCK_MONOTONIC itself. It takes the closest pair of a few tries, so that a
// preemption in between does not become an offset of the schedule.
func bind() (time.Time, Mono) {
	var base time.Time
	var mono Mono
	best := time.Duration(1<<63 - 1)
	for range 16 {
		before := time.Now()
		raw := sys.MonotonicNanos()
		if took := time.Since(before); took < best {
			best, base, mono = took, before.Add(took/2), Mono(raw)
		}
	}
	return base, mono
}
