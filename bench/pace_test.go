package bench

import (
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

func TestPaceOfSentProbes(t *testing.T) {
	const ms = clock.Mono(time.Millisecond)
	tests := []struct {
		name        string
		sent        []clock.Mono
		wantWaits   []time.Duration
		wantSkipped int
	}{
		{
			"each slot has its probe, one of them a little early, in any order",
			[]clock.Mono{13*ms + 50, 11*ms + 7, 12*ms - 9},
			[]time.Duration{7, -9, 50}, 0,
		},
		{
			"a skipped slot waits for the probe of the next",
			[]clock.Mono{10*ms + 3, 11*ms + 7, 13*ms + 50},
			[]time.Duration{7, time.Millisecond + 50, 50}, 1,
		},
		{
			"slots that nothing follows wait until the end at least",
			[]clock.Mono{11*ms + 7},
			[]time.Duration{7, time.Millisecond + 100, 100}, 2,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p pace
			p.add(grid{interval: time.Millisecond}, tt.sent, 10*ms+100, 13*ms+100)
			if !slices.Equal(p.waits, tt.wantWaits) || p.skipped != tt.wantSkipped {
				t.Errorf("waits %v, %d skipped, want %v, %d", p.waits, p.skipped, tt.wantWaits, tt.wantSkipped)
			}
		})
	}
}

func TestPaceOfLateWakeUp(t *testing.T) {
	var p pace
	slots := p.wake(2300*time.Microsecond, time.Millisecond)
	want := []time.Duration{2300 * time.Microsecond, 1300 * time.Microsecond, 300 * time.Microsecond}
	if !slices.Equal(p.waits, want) || slots != 3 || p.skipped != 2 {
		t.Errorf("waits %v of %d slots, %d skipped, want %v of 3, 2 skipped", p.waits, slots, p.skipped, want)
	}
}
