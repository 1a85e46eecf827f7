package reflector

import (
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// A loop that wakes up for nothing costs more than itself: it keeps the runtime's monitor awake.
func TestNothingIsDueWithNobodyToAnswer(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	if due := f.Due(clock.MonoNow()); due != clock.Never {
		t.Errorf("with nobody to answer something is due at %d", due)
	}
	f.giveProbe(stampProbe{})
	now := clock.MonoNow()
	if due := f.Due(now); due > now.Add(housekeeping) {
		t.Errorf("with a session nothing is due for %v, want %v at most", due.Sub(now), housekeeping)
	}
}
