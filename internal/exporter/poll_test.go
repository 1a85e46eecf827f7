package exporter

import (
	"testing"
	"time"
)

// At any rate a poll comes to find what it should, within the bounds of its pauses, and keeps to that.
func TestPausesSettleAtTheRate(t *testing.T) {
	for rate, want := range map[float64]time.Duration{ // records a second, of which a poll should find 256
		10: pollLongest, 1000: pollLongest, 2560: pollLongest, 10_000: 25600 * time.Microsecond,
		51_200: 5 * time.Millisecond, 1_000_000: pollShortest,
	} {
		pause := nextPause(pollAsleep, 1/256.)
		if pause != pollFirst {
			t.Errorf("the first pause after a silence is %v, want %v", pause, pollFirst)
		}
		for range 20 {
			pause = nextPause(pause, rate*pause.Seconds()/256)
		}
		if (pause - want).Abs() > want/1000 {
			t.Errorf("at %v records a second the pause settles at %v, want %v", rate, pause, want)
		}
	}
	if pause := nextPause(pollLongest, 0); pause != pollAsleep {
		t.Errorf("after a poll that found nothing it pauses for %v, want %v", pause, pollAsleep)
	}
}
