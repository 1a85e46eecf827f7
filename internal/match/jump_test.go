package match

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// outward puts a round-trip time all on the way to the reflector, homeward all on the way back.
func outward(rtt time.Duration) trip  { return trip{out: rtt} }
func homeward(rtt time.Duration) trip { return trip{back: rtt} }

// ways are how a round-trip time may be made up of its halves.
var ways = []struct {
	name  string
	split func(time.Duration) trip
}{{"outward", outward}, {"halfway", halfway}, {"homeward", homeward}}

// at is a path whose round-trip time in a slot is given by rtt; negative = lost.
func at(split func(time.Duration) trip, rtt func(slot int) time.Duration) func(*rand.Rand, int) []trip {
	return func(random *rand.Rand, slot int) []trip {
		if d := rtt(slot); d >= 0 {
			return []trip{split(d + time.Duration(random.Int64N(500)))}
		}
		return nil
	}
}

const (
	micro = time.Microsecond
	milli = time.Millisecond
)

// A path changes, stalls or goes down. Then no reply may be taken for another probe's, few may go
// unmeasured, and no probe that was answered in time may pass for lost.
func TestJumpsOfTheRoundTripTimeAreMeasuredOrSaidToBeAmbiguous(t *testing.T) {
	const begin = 3000
	change := func(from, down, to time.Duration) func(int) time.Duration {
		return func(slot int) time.Duration {
			switch since := time.Duration(slot-begin) * milli; {
			case since < 0:
				return from
			case since < down:
				return -1
			}
			return to
		}
	}
	// stall holds back what comes within it, drops the first so many of that, and delivers in order.
	stall := func(rtt, length time.Duration, kept func(i int) bool) func(int) time.Duration {
		return func(slot int) time.Duration {
			since := slot - begin
			rest := length - time.Duration(since)*milli
			switch {
			case since < 0 || rest <= 0:
				return rtt
			case !kept(since):
				return -1
			}
			return rtt + rest - rest/1000 // in order, a microsecond apart
		}
	}
	all := func(int) bool { return true }
	tests := []struct {
		name          string
		rtt           func(slot int) time.Duration
		wantAmbiguous int // at most
		wantHeld      int // at most
	}{
		{"falls from 80 ms to 100 µs", change(80*milli, 0, 100*micro), 12, 0},
		{"falls from 60 ms to 1 ms", change(60*milli, 0, milli), 12, 0},
		{"falls from 95 ms to 1 ms", change(95*milli, 0, milli), 12, 0},
		{"falls from 150 ms to 1 ms", change(150*milli, 0, milli), 160, 1000},
		{"falls from 350 ms to 20 ms", change(350*milli, 0, 20*milli), 360, 600},
		{"rises from 1 ms to 80 ms", change(milli, 0, 80*milli), 0, 0},
		{"rises from 1 ms to 250 ms", change(milli, 0, 250*milli), 260, 400},
		{"rises from 150 ms to 400 ms", change(150*milli, 0, 400*milli), 410, 700},
		{"rises from 1 ms to 203 ms", change(milli, 0, 203*milli), 210, 450},
		{"down for 60 ms", change(milli, 60*milli, milli), 0, 0},
		{"down for 300 ms", change(milli, 300*milli, milli), 16, 0},
		{"down for 303 ms, which is all numbers thrice", change(milli, 303*milli, milli), 110, 1000},
		{"down for 2 s", change(20*milli, 2000*milli, 20*milli), 16, 0},
		{"down for 2 s, from 80 ms to 1 ms", change(80*milli, 2000*milli, milli), 110, 1000},
		{"down for 2 s, from 80 ms to 350 ms", change(80*milli, 2000*milli, 350*milli), 360, 1200},
		{"stalls for 80 ms", stall(1300*micro, 80*milli, all), 0, 0},
		{"stalls for 80 ms and loses the first", stall(1300*micro, 80*milli, func(i int) bool { return i > 0 }), 0, 0},
		{"stalls for 303 ms", stall(1300*micro, 303*milli, all), 310, 1000},
		{"stalls for 300 ms", stall(1300*micro, 300*milli, all), 0, 0},
		{"stalls for 300 ms and loses the first", stall(1300*micro, 300*milli, func(i int) bool { return i > 0 }), 0, 0},
		{"stalls for 300 ms and loses each tenth", stall(1300*micro, 300*milli, func(i int) bool { return i%10 > 0 }), 0, 0},
		{"stalls for 300 ms and keeps 20", stall(1300*micro, 300*milli, func(i int) bool { return i < 20 }), 110, 1000},
		{"stalls for 300 ms and keeps 60", stall(1300*micro, 300*milli, func(i int) bool { return i < 60 }), 110, 1000},
		{"stalls for 700 ms at 150 ms", stall(150*milli, 700*milli, all), 0, 0},
	}
	for _, tt := range tests {
		for _, way := range ways {
			t.Run(fmt.Sprintf("%s %s", way.name, tt.name), func(t *testing.T) {
				s := tableSimulation{config: textConfig(), slots: 12_000, path: at(way.split, tt.rtt)}
				s.run(t)
				if s.ambiguous > tt.wantAmbiguous || s.doubled > 0 || s.undone > 0 || s.forgot > 0 {
					t.Errorf("%d replies ambiguous, %d duplicates, %d probes lost that were answered, %d replies unmatched, want %d at most and 0",
						s.ambiguous, s.doubled, s.undone, s.forgot, tt.wantAmbiguous)
				}
				if held := s.held - heldAtFirst(tt.rtt(0)); held > tt.wantHeld {
					t.Errorf("%d slots held back after the change, want %d at most", held, tt.wantHeld)
				}
			})
		}
	}
}

// heldAtFirst is for how many slots a session is held back until its first reply.
func heldAtFirst(rtt time.Duration) int { return max(0, int(rtt/milli)-textNumbers+1) }

func TestReflectorClockMayBeSet(t *testing.T) {
	for _, rtt := range []time.Duration{milli, 80 * milli, 350 * milli} {
		for _, by := range []time.Duration{-time.Hour, -time.Second, -300 * milli, -80 * milli, -5 * milli, 5 * milli, 80 * milli, 202 * milli, time.Second, time.Hour} {
			for _, loss := range []float64{0, 0.05} {
				t.Run(fmt.Sprintf("by %v at %v, loss %v", by, rtt, loss), func(t *testing.T) {
					s := tableSimulation{config: textConfig(), slots: 12_000}
					s.path = func(random *rand.Rand, _ int) []trip {
						if random.Float64() < loss {
							return nil
						}
						return []trip{halfway(rtt + time.Duration(random.Int64N(500)))}
					}
					s.step = func(at clock.Mono) time.Duration {
						if at > 3*second {
							return by
						}
						return 0
					}
					s.run(t)
				})
			}
		}
	}
}

// Numbers that last shorter than the round trip are checked every half minute.
func TestLongRoundTripIsMeasuredThroughAllChecks(t *testing.T) {
	const seconds = 100
	s := tableSimulation{config: textConfig(), slots: seconds * 1000}
	s.path = func(random *rand.Rand, _ int) []trip {
		if random.IntN(100) == 0 {
			return nil
		}
		return []trip{halfway(350*milli + time.Duration(random.Int64N(5_000_000)))}
	}
	s.run(t)
	checks := int(seconds * time.Second / checkEvery)
	if held := s.held - heldAtFirst(355*milli); s.ambiguous > 0 || held < checks*250 || held > checks*300 {
		t.Errorf("%d replies ambiguous, %d slots held back for %d checks, want 0, some 250 each", s.ambiguous, held, checks)
	}
}

// A probe without a reply stays outstanding for an hour, but does not keep its number for so long.
func TestNumbersAreLearnedAnewLongBeforeALongTimeout(t *testing.T) {
	s := tableSimulation{config: textConfig(), slots: 10_000}
	s.config.Interval, s.config.Timeout = 10*time.Millisecond, time.Hour
	s.path = func(random *rand.Rand, slot int) []trip {
		rtt := 1500 * milli
		if slot >= 3000 {
			rtt = 10 * milli
		}
		if random.IntN(20) == 0 {
			return nil
		}
		return []trip{outward(rtt + time.Duration(random.Int64N(500)))}
	}
	s.run(t)
	if limit := 2 * int(patience/s.config.Interval); s.held > limit || s.ambiguous > 300 {
		t.Errorf("%d slots held back, %d replies ambiguous, want %d and 300 at most", s.held, s.ambiguous, limit)
	}
}
