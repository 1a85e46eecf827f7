package match

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

const windowTimeout = time.Second

// arrival is one probe that arrived.
type arrival struct {
	seq uint64
	at  clock.Mono
}

// receiver feeds arrivals to a window and keeps count of what it says.
type receiver struct {
	window           Window
	numbers          uint64
	first, last      uint64
	fresh, late, dup uint64
	reordered, lost  uint64
}

func newReceiver(numbers uint64) *receiver {
	r := &receiver{numbers: numbers}
	r.window.Reset(numbers)
	return r
}

func (r *receiver) pending() uint64 {
	return uint64(bits.OnesCount64(^(r.window.arrived | r.window.settled)))
}

func (r *receiver) arrive(t *testing.T, a arrival) Verdict {
	t.Helper()
	if !r.window.begun {
		r.first, r.last = a.seq, a.seq
	}
	seq, v, reordered, lost := r.window.Arrive(a.seq%r.numbers, a.at)
	r.lost += lost
	if reordered {
		r.reordered++
	}
	switch v {
	case Fresh:
		r.fresh++
	case Late:
		r.late++
	case Duplicate:
		r.dup++
	}
	if want := a.seq - r.first + r.first%r.numbers; seq != want {
		t.Fatalf("probe %d at %v is taken for seq %d, want %d, verdict %d", a.seq, time.Duration(a.at), seq, want, v)
	}
	r.last = max(r.last, a.seq)
	r.checkCounts(t)
	return v
}

func (r *receiver) settle(t *testing.T, now clock.Mono) {
	t.Helper()
	r.lost += r.window.Settle(now, windowTimeout)
	r.checkCounts(t)
}

func (r *receiver) checkCounts(t *testing.T) {
	t.Helper()
	if sent := r.last - r.first + 1; sent != r.fresh+r.lost+r.pending() {
		t.Fatalf("%d probes sent, but %d fresh + %d lost + %d pending", sent, r.fresh, r.lost, r.pending())
	}
}

// flow is a session's probes, one per slot: which are dropped, and by how much the others vary in delay.
type flow struct {
	interval clock.Mono
	first    uint64
	slots    uint64
	dropped  func(slot uint64) bool
	jitter   clock.Mono
}

// receiveAll passes the flow through r, settling every 10 ms, and checks the loss against the truth.
func (f flow) receiveAll(t *testing.T, r *receiver, random *rand.Rand) {
	t.Helper()
	arrivals := make([]arrival, 0, f.slots)
	for slot := range f.slots {
		if f.dropped == nil || !f.dropped(slot) {
			at := second + clock.Mono(slot)*f.interval
			if f.jitter > 0 {
				at += clock.Mono(random.Int64N(int64(2*f.jitter))) - f.jitter
			}
			arrivals = append(arrivals, arrival{f.first + slot, at})
		}
	}
	slices.SortFunc(arrivals, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	nextSettle := clock.Mono(0)
	for _, a := range arrivals {
		if a.at >= nextSettle {
			r.settle(t, a.at)
			nextSettle = a.at + 10*ms
		}
		r.arrive(t, a)
	}
	r.settle(t, arrivals[len(arrivals)-1].at.Add(windowTimeout))
	before := arrivals[0].seq - slices.MinFunc(arrivals, bySeq).seq // overtaken by the first to arrive
	sent := r.last - r.first + 1
	if want := sent + before - uint64(len(arrivals)); r.lost != want {
		t.Errorf("%d of %d probes lost, want %d", r.lost, sent, want)
	}
	if r.window.Pending() {
		t.Error("probes are pending after all were settled")
	}
}

func bySeq(a, b arrival) int { return cmp.Compare(a.seq, b.seq) }

func TestRandomLossIsCountedExactly(t *testing.T) {
	for _, numbers := range []uint64{textNumbers, stampNumbers} {
		for _, loss := range []float64{0, 0.001, 0.1, 0.3, 0.5} {
			random := rand.New(rand.NewPCG(3, numbers))
			f := flow{
				interval: ms, slots: 20_000, jitter: ms,
				dropped: func(slot uint64) bool { return slot >= 8 && random.Float64() < loss },
			}
			f.receiveAll(t, newReceiver(numbers), random)
		}
	}
}

// With text numbers the time must tell a loss of more than half a wrap, and it can once the interval is known.
func TestBurstsOfLossAreCountedExactly(t *testing.T) {
	for _, numbers := range []uint64{textNumbers, stampNumbers} {
		random := rand.New(rand.NewPCG(4, numbers))
		f := flow{interval: ms, slots: 40_000, jitter: ms}
		f.dropped = runs(f.slots, 100, func() (gap, length uint64) { return 1 + random.Uint64N(100), 1 + random.Uint64N(90) })
		f.receiveAll(t, newReceiver(numbers), random)
	}
}

// runs makes a dropped function of runs of losses. Nothing is lost before the slot calm.
func runs(slots, calm uint64, next func() (gap, length uint64)) func(uint64) bool {
	dropped := make([]bool, slots)
	for at := calm; ; {
		gap, length := next()
		at += gap
		for range length {
			if at >= slots-1 {
				return func(slot uint64) bool { return dropped[slot] }
			}
			dropped[at] = true
			at++
		}
	}
}

// The limits of counting with 101 numbers: the time since the last probe must be known to half a wrap,
// 50 intervals. The interval is the mean over n probes, so with a delay variation of ±1 interval an
// outage of up to 24 n probes is exact: 1500 after the first 64 probes, 24000 after 1024. And an outage
// of exactly 101, 202, … probes is not seen at all: see TestOutageOfWholeWrapsLooksLikeAPause.
func TestOutagesAreCountedExactly(t *testing.T) {
	for _, numbers := range []uint64{textNumbers, stampNumbers} {
		random := rand.New(rand.NewPCG(5, numbers))
		for range 12 {
			f := flow{interval: ms, slots: 60_000, jitter: ms}
			f.dropped = runs(f.slots, 1100, func() (gap, length uint64) {
				length = 150 + random.Uint64N(20_000-150)
				if length%textNumbers == 0 {
					length++
				}
				return 1 + random.Uint64N(1500), length
			})
			f.receiveAll(t, newReceiver(numbers), random)
		}
	}
}

func TestOutagesSoonAfterTheStartAreCountedExactly(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 1))
	for range 50 {
		calm, length := 65+random.Uint64N(1000), 150+random.Uint64N(1350)
		if length%textNumbers == 0 {
			length++
		}
		f := flow{
			interval: ms, slots: 4000, jitter: ms,
			dropped: func(slot uint64) bool { return slot >= calm && slot < calm+length },
		}
		f.receiveAll(t, newReceiver(textNumbers), random)
	}
}

func TestOutageOfWholeWrapsLooksLikeAPause(t *testing.T) {
	r := newReceiver(textNumbers)
	flow{interval: ms, slots: 2000}.receiveAll(t, r, nil)
	_, v, _, lost := r.window.Arrive((2000+2*textNumbers)%textNumbers, r.window.headAt+(2*textNumbers+1)*ms)
	if v != Fresh || lost != 0 || r.window.Pending() {
		t.Errorf("Arrive = verdict %d, %d lost, pending %v, want Fresh and none", v, lost, r.window.Pending())
	}
}

// The first probes may arrive bunched, which says nothing of the interval.
func TestLossAmongTheFirstProbesIsCountedExactly(t *testing.T) {
	for _, bunch := range []clock.Mono{0, 1, 10_000, ms} {
		r := newReceiver(textNumbers)
		r.arrive(t, arrival{0, 2*ms - bunch})
		for seq := uint64(1); seq < 3000; seq++ {
			if seq%5 != 2 {
				r.arrive(t, arrival{seq, clock.Mono(seq)*ms + ms})
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
				r.arrive(t, arrival{seq, at})
			}
			if r.lost != 0 {
				t.Errorf("of %d numbers, after %d probes: pauses count as %d lost, want 0", numbers, before, r.lost)
			}
		}
	}
}

func TestPauseDoesNotSpoilTheInterval(t *testing.T) {
	r := newReceiver(textNumbers)
	at := clock.Mono(0)
	for seq := range uint64(6000) {
		if at += ms; seq == 2500 {
			at += 5 * second
		}
		if seq < 3000 || seq >= 5000 {
			r.arrive(t, arrival{seq, at})
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
				r.arrive(t, arrival{seq, at})
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
					r.arrive(t, arrival{seq, clock.Mono(seq) * ms})
				}
			}
			if v := r.arrive(t, arrival{missing, clock.Mono(seq) * ms}); v != tt.want || r.reordered != 1 {
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
			r.arrive(t, arrival{seq, at})
			r.arrive(t, arrival{seq, at})
			r.arrive(t, arrival{seq - min(seq, 40), at})
		}
		if r.fresh != 500 || r.dup != 1000 || r.reordered != 0 || r.lost != 0 {
			t.Errorf("%d fresh, %d duplicates, %d reordered, %d lost, want 500, 1000, 0, 0", r.fresh, r.dup, r.reordered, r.lost)
		}
	}
}

func TestProbeThatArrivesAfterItWasSettledIsLateOnce(t *testing.T) {
	r := newReceiver(textNumbers)
	r.arrive(t, arrival{0, 0})
	r.arrive(t, arrival{2, 2 * second})
	r.settle(t, 3*second)
	if v := r.arrive(t, arrival{1, 3 * second}); v != Late || r.lost != 1 || r.reordered != 1 {
		t.Errorf("verdict %d, %d lost, %d reordered, want Late, 1, 1", v, r.lost, r.reordered)
	}
	if v := r.arrive(t, arrival{1, 3 * second}); v != Duplicate || r.reordered != 1 {
		t.Errorf("the second time: verdict %d, %d reordered, want Duplicate, 1", v, r.reordered)
	}
}

func TestMissingProbeIsSettledExactlyAtTheTimeout(t *testing.T) {
	r := newReceiver(textNumbers)
	for _, seq := range []uint64{0, 1, 3, 6} { // one a second
		r.arrive(t, arrival{seq, clock.Mono(seq) * second})
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
			r.arrive(t, arrival{numbers - 3 + step, clock.Mono(i) * ms})
		}
		if r.fresh != 6 || r.reordered != 2 || r.window.Pending() {
			t.Errorf("of %d numbers: %d fresh, %d reordered, want 6, 2", numbers, r.fresh, r.reordered)
		}
	}
}

func TestNumberOutsideOfAWindowIsUnmatched(t *testing.T) {
	var zero Window
	if _, v, _, _ := zero.Arrive(0, 0); v != Unmatched || zero.Pending() {
		t.Errorf("Arrive before Reset = verdict %d, want Unmatched", v)
	}
	var w Window
	w.Reset(textNumbers)
	for range 2 { // before and after the first probe
		for _, number := range []uint64{textNumbers, 1 << 32, 1<<64 - 1} {
			if _, v, _, lost := w.Arrive(number, ms); v != Unmatched || lost != 0 || w.Pending() {
				t.Errorf("Arrive(%d) = verdict %d, %d lost, want Unmatched, 0", number, v, lost)
			}
		}
		w.Arrive(7, ms)
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
