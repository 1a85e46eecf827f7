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

const (
	windowTimeout = time.Second
	// senderAhead is how far the sender's clock is ahead of ours.
	senderAhead = clock.Wall(1800000000 * time.Second)
)

// arrival is one probe that arrived.
type arrival struct {
	seq  uint64
	at   clock.Mono
	sent clock.Wall // 0 = at
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
	if a.sent == 0 {
		a.sent = clock.Wall(a.at)
	}
	seq, v, reordered, lost := r.window.Arrive(a.seq%r.numbers, a.sent+senderAhead, a.at)
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
	if !r.window.begun {
		return
	}
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
	delay    func(slot uint64) time.Duration // on top of the jitter
	set      func(slot uint64) time.Duration // by how much the sender's clock was set so far
}

// receiveAll passes the flow through r, settling every 10 ms, and checks the loss against the truth.
func (f flow) receiveAll(t *testing.T, r *receiver, random *rand.Rand) {
	t.Helper()
	arrivals := make([]arrival, 0, f.slots)
	for slot := range f.slots {
		if f.dropped == nil || !f.dropped(slot) {
			at := second + clock.Mono(slot)*f.interval
			sent := clock.Wall(at)
			if f.jitter > 0 {
				at += clock.Mono(random.Int64N(int64(2*f.jitter))) - f.jitter
			}
			if f.delay != nil {
				at = at.Add(f.delay(slot))
			}
			if f.set != nil {
				sent += clock.Wall(f.set(slot))
			}
			arrivals = append(arrivals, arrival{f.first + slot, at, sent})
		}
	}
	slices.SortStableFunc(arrivals, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
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
				interval: ms, slots: 10_000, jitter: ms,
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

// The limits of counting with 101 numbers: the sender must keep its interval to half a wrap, 50 probes,
// over the outage. And an outage is not seen at all if the first probe after it bears the number that
// follows (101, 202, … lost, or one less if the first two after it are swapped): see
// TestOutageOfWholeWrapsLooksLikeAPause.
func TestOutagesAreCountedExactly(t *testing.T) {
	for _, numbers := range []uint64{textNumbers, stampNumbers} {
		random := rand.New(rand.NewPCG(5, numbers))
		for range 4 {
			f := flow{interval: ms, slots: 60_000, jitter: ms}
			f.dropped = runs(f.slots, 1100, func() (gap, length uint64) {
				return 1 + random.Uint64N(1500), outage(random, 20_000)
			})
			f.receiveAll(t, newReceiver(numbers), random)
		}
	}
}

// outage is a random length of 150 up to limit, not close to whole wraps.
func outage(random *rand.Rand, limit uint64) uint64 {
	for {
		length := 150 + random.Uint64N(limit-150)
		if over := length % textNumbers; over > 3 && over < textNumbers-3 {
			return length
		}
	}
}

func TestOutagesSoonAfterTheStartAreCountedExactly(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 1))
	for range 30 {
		calm, length := 70+random.Uint64N(1000), outage(random, 1500)
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
	_, v, _, lost := r.window.Arrive(
		(2000+2*textNumbers)%textNumbers, r.window.sender.head+(2*textNumbers+1)*clock.Wall(ms), r.window.headAt+(2*textNumbers+1)*ms)
	if v != Fresh || lost != 0 || r.window.Pending() {
		t.Errorf("Arrive = verdict %d, %d lost, pending %v, want Fresh and none", v, lost, r.window.Pending())
	}
}
