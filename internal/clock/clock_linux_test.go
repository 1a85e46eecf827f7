package clock

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A timer armed with an absolute time only fires on the slot if Mono is CLOCK_MONOTONIC.
func TestMonoIsClockMonotonic(t *testing.T) {
	var ts unix.Timespec
	before := MonoNow()
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	after := MonoNow()
	const slack = Mono(5 * time.Microsecond) // of the binding at start
	if raw := Mono(ts.Nano()); raw < before-slack || raw > after+slack {
		t.Errorf("CLOCK_MONOTONIC = %d, want between %d and %d", raw, before, after)
	}
}
