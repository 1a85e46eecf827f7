package match

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// wantSplits fails the test unless these are told, as {forward, backward} in order.
func wantSplits(t *testing.T, d *Directions, frontier uint64, want ...[2]uint64) {
	t.Helper()
	var got [][2]uint64
	for {
		s, ok := d.Split(frontier)
		if !ok {
			break
		}
		got = append(got, [2]uint64{s.Forward, s.Backward})
	}
	if !slices.Equal(got, want) {
		t.Errorf("Split(%d) tells %v, want %v", frontier, got, want)
	}
}

// answers is replies in the order in which they come: {seq, number}.
func answers(d *Directions, replies ...[2]uint64) {
	for _, r := range replies {
		d.Answered(r[0], uint32(r[1]))
	}
}

func TestLossIsForwardOrBackward(t *testing.T) {
	type pairs = [][2]uint64
	tests := []struct {
		name    string
		replies pairs
		lost    []uint64
		want    pairs
	}{
		{"forward", pairs{{0, 0}, {2, 1}}, []uint64{1}, pairs{{1, 0}}},
		{"backward", pairs{{0, 0}, {2, 2}}, []uint64{1}, pairs{{0, 1}}},
		{"both in one gap", pairs{{0, 0}, {4, 2}}, []uint64{1, 2, 3}, pairs{{2, 1}}},
		{"two gaps", pairs{{0, 0}, {2, 1}, {4, 3}}, []uint64{1, 3}, pairs{{1, 0}, {0, 1}}},
		{"the first probes", pairs{{3, 1}}, []uint64{0, 1, 2}, pairs{{2, 1}}},
		{"the first probes, to one who counted before", pairs{{3, 1000}}, []uint64{0, 1, 2}, pairs{{0, 0}}},
		{"none behind yet", pairs{{0, 0}}, []uint64{1, 2}, nil},
		{"a request overtakes beside a lost reply", pairs{{0, 0}, {2, 1}, {3, 3}}, []uint64{1}, pairs{{0, 1}}},
		{"a request overtakes two places before", pairs{{0, 0}, {2, 1}, {1, 2}, {3, 3}, {5, 4}}, []uint64{4}, pairs{{1, 0}}},
		{"a reply overtakes", pairs{{0, 0}, {3, 2}, {2, 1}, {4, 3}}, []uint64{1}, pairs{{1, 0}}},
		{"the reflector begins anew without loss", pairs{{0, 0}, {1, 1}, {2, 0}, {3, 1}, {5, 2}}, []uint64{4}, pairs{{1, 0}}},
		{"the reflector begins anew after a gap", pairs{{0, 0}, {1, 1}, {5, 0}, {6, 1}}, []uint64{2, 3, 4}, pairs{{3, 0}}},
		{"a new reflector's first reply is lost", pairs{{0, 0}, {1, 1}, {5, 1}, {6, 2}}, []uint64{2, 3, 4}, pairs{{2, 1}}},
		{"a late reply", pairs{{0, 0}, {1, 1}, {2, 2}}, []uint64{1}, pairs{{0, 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDirections(1 << 8)
			answers(d, tt.replies...)
			for _, seq := range tt.lost {
				d.Lost(seq)
			}
			wantSplits(t, d, 100, tt.want...)
		})
	}
}

func TestLossAcrossTheWrapOfBothNumbers(t *testing.T) {
	const first = 1<<32 - 5
	d := NewDirections(1 << 8)
	d.Reset(first)
	for i := range uint64(10) {
		switch i {
		case 3, 7:
			d.Lost(first + i) // on the way back
		case 5:
			d.Lost(first + i) // on the way out
		default:
			d.Answered(first+i, uint32(i-min(1, i/6))-3)
		}
	}
	d.cut.number -= 3
	wantSplits(t, d, first+10, [2]uint64{0, 1}, [2]uint64{1, 0}, [2]uint64{0, 1})
}

// Behind the upper half of the numbers, those of a reflector that began anew are ahead.
func TestReflectorThatBeginsAnewFromTheUpperHalf(t *testing.T) {
	for _, above := range []uint32{1, 2, 500, 1 << 20, 1 << 30, 1<<31 - 10_000} {
		for _, first := range []uint32{0, 1} { // number of the first reply that comes
			t.Run(fmt.Sprintf("%d above, from %d", above, first), func(t *testing.T) {
				const before, outage = 100, 40
				d, number := NewDirections(1<<8), 1<<31+above
				d.Reset(0)
				for seq := range uint64(before) {
					d.Answered(seq, number+uint32(seq))
				}
				for seq := uint64(before); seq < before+outage; seq++ {
					d.Lost(seq)
				}
				for i := range uint32(10) {
					d.Answered(before+outage+uint64(i), first+i)
				}
				d.Lost(before + outage + 10)
				d.Answered(before+outage+11, first+10)
				wantSplits(t, d, before+outage+12, [2]uint64{outage - uint64(first), uint64(first)}, [2]uint64{1, 0})
			})
		}
	}
}

// The number may be far ahead without that: after an outage of the way back, and if requests come
// several times.
func TestReflectorThatCountedOnIsNotAnew(t *testing.T) {
	for _, copies := range []uint32{1, 2, 3} {
		for _, start := range []uint32{0, 1 << 31, 1<<32 - 1000} {
			const before, outage = 100, 5000
			d, repeated := NewDirections(1<<13), uint32(0)
			d.Reset(0)
			for seq := range uint64(before) {
				d.Answered(seq, start+uint32(seq))
			}
			for seq := uint64(before); seq < before+outage; seq++ {
				d.Lost(seq)
				repeated += copies - 1
			}
			d.Answered(before+outage, start+before+outage+repeated)
			d.Answered(before+outage+1, start+before+outage+repeated+1)
			if d.era != 0 {
				t.Errorf("each of %d requests %d times, from %d: taken for a new beginning", outage, copies, start)
			}
			wantSplits(t, d, before+outage+2, [2]uint64{0, outage})
		}
	}
}

func TestDoubledRequestIsNoLossOnTheWayBack(t *testing.T) {
	d := NewDirections(1 << 8)
	answers(d, [2]uint64{0, 0}, [2]uint64{1, 1})
	d.Repeated(1, 2)
	d.Repeated(0, 0) // its reply was doubled, not the request
	answers(d, [2]uint64{3, 3}, [2]uint64{4, 4})
	d.Lost(2)
	wantSplits(t, d, 5, [2]uint64{1, 0})
}

func TestLossesAreToldOnceAllBeforeTheNextReplyAreSettled(t *testing.T) {
	d := NewDirections(1 << 8)
	answers(d, [2]uint64{0, 0}, [2]uint64{5, 3})
	d.Lost(3) // the network said so
	wantSplits(t, d, 1)
	d.Lost(1)
	d.Lost(2)
	d.Lost(4)
	wantSplits(t, d, 5)
	wantSplits(t, d, 6, [2]uint64{2, 2})
	if n := d.Pending(); n != 0 {
		t.Errorf("%d pending, want 0", n)
	}
}

func TestForgottenLossesAreNotTold(t *testing.T) {
	d := NewDirections(1 << 8)
	answers(d, [2]uint64{0, 0}, [2]uint64{3, 1}, [2]uint64{5, 3})
	d.Lost(1)
	d.Lost(2)
	d.Forget()
	d.Lost(4)
	wantSplits(t, d, 6, [2]uint64{0, 1})
}

// An outage may be longer than anything is remembered.
func TestLossesOfALongOutageAreAllTold(t *testing.T) {
	const capacity, outage = 1 << 6, 1000
	d := NewDirections(capacity)
	answers(d, [2]uint64{0, 0}, [2]uint64{1, 1})
	for seq := uint64(2); seq < 2+outage; seq++ {
		d.Lost(seq)
		wantSplits(t, d, seq+1)
	}
	answers(d, [2]uint64{2 + outage, 2 + 300})
	wantSplits(t, d, 3+outage, [2]uint64{outage - 300, 300})
}

// network is what happens to the probes of one simulated session.
type network struct {
	forward, backward float64 // probability of loss
	overtake          float64 // probability of being held up, on either way, by up to reach probes
	reach             float64
	restart           int // after how many probes the reflector begins anew; 0 = never
}

// simulate sends probes through a network and returns what was lost on each way and what was told.
func simulate(rng *rand.Rand, n network, probes int) (lost, told [2]uint64) {
	type packet struct {
		seq    uint64
		number uint32
		at     float64
	}
	const timeout = 200
	hold := func(seq uint64) float64 {
		if rng.Float64() < n.overtake && seq < uint64(probes-2*look) { // so that there is a cut at the end

			return rng.Float64() * n.reach
		}
		return 0
	}
	late := func(a, b packet) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	}
	var requests, replies []packet
	answered := make([]bool, probes)
	for seq := range uint64(probes) {
		if rng.Float64() < n.forward && seq < uint64(probes-1) {
			lost[0]++
			continue
		}
		requests = append(requests, packet{seq: seq, at: float64(seq) + hold(seq)})
	}
	slices.SortStableFunc(requests, late)
	for i, r := range requests {
		r.number = uint32(i)
		if n.restart > 0 {
			r.number = uint32(i % n.restart)
		}
		if rng.Float64() < n.backward && r.seq < uint64(probes-1) {
			lost[1]++
			continue
		}
		answered[r.seq] = true
		r.at += 3.5 + hold(r.seq)
		replies = append(replies, r)
	}
	slices.SortStableFunc(replies, late)
	d, frontier := NewDirections(1<<10), uint64(0)
	for now := range probes + 2*timeout {
		for len(replies) > 0 && replies[0].at <= float64(now) {
			d.Answered(replies[0].seq, replies[0].number)
			replies = replies[1:]
		}
		for ; frontier < uint64(min(probes, max(0, now-timeout))); frontier++ {
			if !answered[frontier] {
				d.Lost(frontier)
			}
		}
		for s, ok := d.Split(frontier); ok; s, ok = d.Split(frontier) {
			told[0] += s.Forward
			told[1] += s.Backward
		}
	}
	return lost, told
}

func TestToldLossesAreThoseThatHappened(t *testing.T) {
	for _, n := range []network{
		{forward: 0.01}, {backward: 0.01}, {forward: 0.3}, {backward: 0.3}, {forward: 0.2, backward: 0.2},
		{overtake: 0.1, reach: 8}, {forward: 0.02, overtake: 0.05, reach: 8}, {backward: 0.02, overtake: 0.05, reach: 8},
		{forward: 0.1, backward: 0.1, overtake: 0.01, reach: 4},
		{forward: 0.05, restart: 777}, {restart: 777},
	} {
		t.Run(fmt.Sprintf("%+v", n), func(t *testing.T) {
			for seed := range uint64(20) {
				lost, told := simulate(rand.New(rand.NewPCG(seed, 7)), n, 5000)
				if lost != told {
					t.Errorf("seed %d: told %v, want %v", seed, told, lost)
				}
			}
		})
	}
}

func TestDirectionsDoNotAllocate(t *testing.T) {
	d := NewDirections(1 << 8)
	seq, number := uint64(0), uint32(0)
	if n := testing.AllocsPerRun(1000, func() {
		d.Answered(seq, number)
		d.Lost(seq + 1)
		d.Repeated(seq, number)
		seq, number = seq+2, number+1
		d.Split(seq)
	}); n != 0 {
		t.Errorf("a probe and a loss allocate %v times", n)
	}
}
