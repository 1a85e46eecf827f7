package reflector

import (
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// A loop that wakes up for nothing costs more than itself: it keeps the runtime's monitor awake.
func TestLittleIsDueWithNobodyToAnswer(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	now := clock.MonoNow()
	if due := f.Due(now); due < now.Add(estimating) {
		t.Errorf("with nobody to answer something is due after %v, want %v or more", due.Sub(now), estimating)
	}
	f.giveProbe(stampProbe{})
	if due := f.Due(now); due > now.Add(housekeeping) {
		t.Errorf("with a session nothing is due for %v, want %v at most", due.Sub(now), housekeeping)
	}
}
