package sys

import "golang.org/x/sys/unix"

// MonotonicNanos reads CLOCK_MONOTONIC by system call (clock_gettime(2)), in nanoseconds. The package
// clock ties the cheap reading of the Go runtime to it.
func MonotonicNanos() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("clock_gettime(CLOCK_MONOTONIC): " + err.Error()) // can't fail on a Linux that runs Go
	}
	return ts.Nano()
}
