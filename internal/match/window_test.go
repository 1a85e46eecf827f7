package match

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// The first probes may arrive bunched, which says nothing of the interval.
func TestLossAmongTheFirstProbesIsCountedExactly(t *testing.T) {
	for _, bunch := range []clock.Mono{0, 1, 10_000, ms} {
		r := newReceiver(textNumbers)
		r.arrive(t, arrival{seq: 0, at: 2*ms - bunch})
		for seq := uint64(1); seq < 3000; seq++ {
			if seq%5 != 2 {
				r.arrive(t, arrival{seq: seq, at: clock.Mono(seq)*ms + ms})
			}
		}
		r.settle(t, 5*second)
		if r.lost != 600 {
			t.Errorf("first probes %v apart: %d lost, want 600", time.Duration(bunch), r.lost)
		}
	}
}

func TestPauseOfTheSenderIsNoLoss(t *testing.T) {
	for _, numbers := range []uint64{textNumbers, stampNumbers} {
		for _, before := range []uint64{1, 2, 70, 500, 5000} {
			r := newReceiver(numbers)
			at := clock.Mono(0)
			for seq := range before + 3000 {
				if at += ms; seq%1500 == before%1500 {
					at += 5 * second
				}
				r.settle(t, at)
				r.arrive(t, arrival{seq: seq, at: at})
			}
			if r.lost != 0 {
				t.Errorf("of %d numbers, after %d probes: pauses count as %d lost, want 0", numbers, before, r.lost)
			}
		}
	}
}

func TestPausesDoNotSpoilTheInterval(t *testing.T) {
	r := newReceiver(textNumbers)
	at := clock.Mono(0)
	for seq := range uint64(6000) {
		if at += ms; seq == 2500 || seq == 3150 {
			at += 5 * second
		}
		if seq < 3200 || seq >= 5200 {
			r.arrive(t, arrival{seq: seq, at: at})
		}
	}
	r.settle(t, at.Add(windowTimeout))
	if r.lost != 2000 {
		t.Errorf("%d lost, want 2000", r.lost)
	}
}

// A new interval must be learnt even if every probe comes so late that it looks like a pause.
func TestSlowerAndFasterSendersAreLearnt(t *testing.T) {
	for _, intervals := range [][2]clock.Mono{{ms, 10 * ms}, {ms, 5 * ms}, {10 * ms, ms}, {ms, second}} {
		r := newReceiver(textNumbers)
		at := clock.Mono(0)
		for seq := range uint64(5000) {
			interval := intervals[0]
			if seq >= 2000 {
				interval = intervals[1]
			}
			at += interval
			if seq < 4000 || seq >= 4080 { // 80 lost
				r.arrive(t, arrival{seq: seq, at: at})
			}
		}
		r.settle(t, at.Add(windowTimeout))
		if r.lost != 80 {
			t.Errorf("interval from %v to %v: %d lost, want 80", time.Duration(intervals[0]), time.Duration(intervals[1]), r.lost)
		}
	}
}

func TestReorderedProbesAreFreshWithinTheWindow(t *testing.T) {
	tests := []struct {
		name    string
		numbers uint64
		behind  uint64
		want    Verdict
	}{
		{"by one", textNumbers, 1, Fresh},
		{"by almost half of the text numbers", textNumbers, 49, Fresh},
		{"by the whole window", stampNumbers, 63, Fresh},
		{"by more than the window", stampNumbers, 64, Late},
		{"by very much", stampNumbers, 5000, Late},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReceiver(tt.numbers)
			missing, seq := uint64(6000), uint64(0)
			for ; seq <= missing+tt.behind; seq++ {
				if seq != missing {
					r.arrive(t, arrival{seq: seq, at: clock.Mono(seq) * ms})
				}
			}
			if v := r.arrive(t, arrival{seq: missing, at: clock.Mono(seq) * ms}); v != tt.want || r.reordered != 1 {
				t.Errorf("verdict %d, %d reordered, want %d, 1", v, r.reordered, tt.want)
			}
			if lost := r.lost; (lost == 1) != (tt.want == Late) {
				t.Errorf("%d lost with verdict %d", lost, tt.want)
			}
		})
	}
}

func TestProbeThatArrivesTwiceIsADuplicate(t *testing.T) {
	for _, numbers := range []uint64{textNumbers, stampNumbers} {
		r := newReceiver(numbers)
		for seq := range uint64(500) {
			at := clock.Mono(seq) * ms
			r.arrive(t, arrival{seq: seq, at: at})
			r.arrive(t, arrival{seq: seq, at: at})
			r.arrive(t, arrival{seq: seq - min(seq, 40), at: at, sent: clock.Wall(at - min(at, 40*ms))})
		}
		if r.fresh != 500 || r.dup != 1000 || r.reordered != 0 || r.lost != 0 {
			t.Errorf("%d fresh, %d duplicates, %d reordered, %d lost, want 500, 1000, 0, 0", r.fresh, r.dup, r.reordered, r.lost)
		}
	}
}

func TestProbeThatArrivesAfterItWasSettledIsLateOnce(t *testing.T) {
	r := newReceiver(textNumbers)
	r.arrive(t, arrival{seq: 0, at: 0})
	r.arrive(t, arrival{seq: 2, at: 2 * second})
	r.settle(t, 3*second)
	if v := r.arrive(t, arrival{seq: 1, at: 3 * second}); v != Late || r.lost != 1 || r.reordered != 1 {
		t.Errorf("verdict %d, %d lost, %d reordered, want Late, 1, 1", v, r.lost, r.reordered)
	}
	if v := r.arrive(t, arrival{seq: 1, at: 3 * second}); v != Duplicate || r.reordered != 1 {
		t.Errorf("the second time: verdict %d, %d reordered, want Duplicate, 1", v, r.reordered)
	}
}

func TestMissingProbeIsSettledExactlyAtTheTimeout(t *testing.T) {
	r := newReceiver(textNumbers)
	for _, seq := range []uint64{0, 1, 3, 6} { // one a second
		r.arrive(t, arrival{seq: seq, at: clock.Mono(seq) * second})
	}
	steps := []struct {
		now         clock.Mono
		wantLost    uint64
		wantPending bool
	}{
		{4*second - 1, 0, true}, // 2 was noticed missing at 3 s
		{4 * second, 1, true},
		{7*second - 1, 1, true}, // 4 and 5 at 6 s
		{7 * second, 3, false},
		{8 * second, 3, false},
	}
	for _, step := range steps {
		r.settle(t, step.now)
		if r.lost != step.wantLost || r.window.Pending() != step.wantPending {
			t.Errorf("at %v: %d lost, pending %v, want %d, %v",
				time.Duration(step.now), r.lost, r.window.Pending(), step.wantLost, step.wantPending)
		}
	}
}

func TestSessionMayStartAtAnyNumber(t *testing.T) {
	for _, first := range []uint64{0, 1, 50, 99, 100, 1 << 31, stampNumbers - 2, stampNumbers - 1} {
		numbers := uint64(textNumbers)
		if first >= numbers {
			numbers = stampNumbers
		}
		random := rand.New(rand.NewPCG(7, first))
		f := flow{interval: ms, first: first, slots: 300, dropped: func(slot uint64) bool { return slot%7 == 3 }}
		f.receiveAll(t, newReceiver(numbers), random)
	}
}

func TestNumbersOfAWindowWrap(t *testing.T) {
	for _, numbers := range []uint64{textNumbers, stampNumbers} {
		r := newReceiver(numbers)
		for i, step := range []uint64{0, 1, 3, 2, 5, 4} { // 2 and 4 arrive late
			r.arrive(t, arrival{seq: numbers - 3 + step, at: clock.Mono(i) * ms})
		}
		if r.fresh != 6 || r.reordered != 2 || r.window.Pending() {
			t.Errorf("of %d numbers: %d fresh, %d reordered, want 6, 2", numbers, r.fresh, r.reordered)
		}
	}
}

func TestNumberOutsideOfAWindowIsUnmatched(t *testing.T) {
	var zero Window
	if _, v, _, _ := zero.Arrive(0, 0, 0); v != Unmatched || zero.Pending() {
		t.Errorf("Arrive before Reset = verdict %d, want Unmatched", v)
	}
	var w Window
	w.Reset(textNumbers)
	for range 2 { // before and after the first probe
		for _, number := range []uint64{textNumbers, 1 << 32, 1<<64 - 1} {
			if _, v, _, lost := w.Arrive(number, 0, ms); v != Unmatched || lost != 0 || w.Pending() {
				t.Errorf("Arrive(%d) = verdict %d, %d lost, want Unmatched, 0", number, v, lost)
			}
		}
		w.Arrive(7, 0, ms)
	}
}

func TestResetForgetsTheSession(t *testing.T) {
	r := newReceiver(textNumbers)
	flow{interval: ms, slots: 2000, dropped: func(slot uint64) bool { return slot%3 == 1 }}.receiveAll(t, r, nil)
	r.window.Reset(stampNumbers)
	if r.window != (Window{numbers: stampNumbers}) {
		t.Error("a window that was reset differs from a new one")
	}
}
