package match

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// What queues arrives late and bunched, but it says when it was sent.
func TestLossInAStallIsCountedExactly(t *testing.T) {
	const begin = 2000
	tests := []struct {
		name    string
		length  uint64 // of the stall, in slots
		dropped func(i uint64) bool
	}{
		{"the first of a short one", 80, func(i uint64) bool { return i == 0 }},
		{"the first of one longer than the numbers last", 330, func(i uint64) bool { return i == 0 }},
		{"the first 40", 150, func(i uint64) bool { return i < 40 }},
		{"all but the first 20", 330, func(i uint64) bool { return i >= 20 }},
		{"all but the first", 75, func(i uint64) bool { return i >= 1 }},
		{"each third", 5000, func(i uint64) bool { return i%3 == 0 }},
	}
	for _, tt := range tests {
		for _, numbers := range []uint64{textNumbers, stampNumbers} {
			t.Run(fmt.Sprintf("%s, of %d numbers", tt.name, numbers), func(t *testing.T) {
				f := flow{interval: ms, slots: 12_000}
				f.dropped = func(slot uint64) bool {
					return slot >= begin && slot < begin+tt.length && tt.dropped(slot-begin)
				}
				f.delay = func(slot uint64) time.Duration {
					if slot < begin || slot >= begin+tt.length {
						return 0
					}
					return time.Duration(begin+tt.length-slot) * time.Millisecond
				}
				f.receiveAll(t, newReceiver(numbers), rand.New(rand.NewPCG(8, 1)))
			})
		}
	}
}

// The bound on what a sender can feign must not hide losses at the shortest interval.
func TestLossAtTheShortestIntervalIsCountedExactlyAfterAHeldUpStart(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 1))
	f := flow{interval: clock.Mono(minInterval), slots: 200_000}
	f.dropped = func(slot uint64) bool { return slot > 0 && random.Float64() < 0.02 }
	f.delay = func(slot uint64) time.Duration { return max(0, 300*milli-time.Duration(slot)*minInterval) }
	f.receiveAll(t, newReceiver(textNumbers), random)
}

// When the path becomes faster, what was sent later arrives among what was sent before.
func TestLossWhileThePathChangesIsCountedExactly(t *testing.T) {
	for _, delays := range [][2]time.Duration{{60 * milli, 0}, {45 * milli, milli}, {0, 80 * milli}, {0, 300 * milli}} {
		for _, loss := range []float64{0, 0.05} {
			t.Run(fmt.Sprintf("from %v to %v, loss %v", delays[0], delays[1], loss), func(t *testing.T) {
				random := rand.New(rand.NewPCG(9, 1))
				f := flow{interval: ms, slots: 6000}
				f.dropped = func(slot uint64) bool { return slot > 0 && random.Float64() < loss }
				f.delay = func(slot uint64) time.Duration { return delays[min(slot/3000, 1)] }
				r := newReceiver(textNumbers)
				f.receiveAll(t, r, random)
			})
		}
	}
}

func TestSenderClockMayBeSet(t *testing.T) {
	for _, by := range []time.Duration{-time.Hour, -time.Second, -101 * milli, -60 * milli, -5 * milli, 5 * milli, 60 * milli, 101 * milli, time.Second, time.Hour} {
		for _, lost := range []uint64{0, 1, 30} {
			t.Run(fmt.Sprintf("by %v with %d lost", by, lost), func(t *testing.T) {
				random := rand.New(rand.NewPCG(10, 1))
				f := flow{interval: ms, slots: 8000, jitter: ms / 4}
				f.dropped = func(slot uint64) bool { return slot >= 3000 && slot < 3000+lost || slot >= 5000 && slot < 5400 }
				f.set = func(slot uint64) time.Duration {
					if slot < 3000 {
						return 0
					}
					return by
				}
				f.receiveAll(t, newReceiver(textNumbers), random)
			})
		}
	}
}

// Anybody can send probes, and with a few of them nobody may have us publish losses without measure.
func TestLossesThatASenderCanFeignAreBounded(t *testing.T) {
	type probe struct {
		skip uint64        // numbers left out before it
		wait time.Duration // since the last one
		sent time.Duration // the same by the sender's clock
	}
	const day = 24 * time.Hour
	tests := []struct {
		name    string
		train   int           // probes before, back to back
		repeat  []probe       // again and again
		seconds time.Duration // for how long
	}{
		{"pauses after a burst", 100, []probe{{50, time.Second, time.Second}}, 20 * time.Second},
		{"a long pause after a burst", 100, []probe{{50, time.Hour, time.Hour}}, time.Hour},
		{"numbers left out", 100, []probe{{49, time.Microsecond, time.Microsecond}}, time.Second},
		{"a clock that runs ahead", 100, []probe{{50, 100 * micro, time.Second}}, time.Second},
		{"a clock that leaps ahead", 100, []probe{{50, 100 * micro, day}}, time.Second},
		{"a clock that swings", 100, []probe{{50, 100 * micro, 9 * time.Second}, {0, 100 * micro, -9 * time.Second}}, time.Second},
		{"a clock that swings in step with the numbers", 100, []probe{{50, 100 * micro, 5151 * 100 * micro}, {0, 100 * micro, -5151 * 100 * micro}}, time.Second},
		{"a clock that waits and leaps", 100, []probe{{0, 9 * time.Second, 0}, {50, 100 * micro, 9 * time.Second}}, 90 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w Window
			w.Reset(textNumbers)
			seq, at, sent := uint64(0), clock.Mono(0), senderAhead
			lost, probes := uint64(0), uint64(0)
			arrive := func(p probe) {
				seq += 1 + p.skip
				at, sent = at.Add(p.wait), sent+clock.Wall(p.sent)
				_, _, _, n := w.Arrive(seq%textNumbers, sent, at)
				lost += n + w.Settle(at, windowTimeout)
				probes++
			}
			for range tt.train {
				arrive(probe{0, time.Microsecond, time.Microsecond})
			}
			for at < clock.Mono(tt.seconds) && probes < 100_000 {
				for _, p := range tt.repeat {
					arrive(p)
				}
			}
			lost += w.Settle(at.Add(windowTimeout), windowTimeout)
			slots := 2 * uint64(at.Add(2*time.Second)) / uint64(minInterval) // 2 s: at the start, and to settle
			if lost > lossesPerProbe*probes || lost > slots {
				t.Errorf("%d probes within %v feign %d losses, want %d at most for each, and %d in all",
					probes, time.Duration(at), lost, lossesPerProbe, slots)
			}
		})
	}
}
