package reflector

import (
	"math/rand/v2"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/textproto"
)

func TestCircleIsClosedByProbesThatGoRound(t *testing.T) {
	for _, packets := range []int{1, 2, 3, circleNumbers} {
		var c circle
		answered := 0
		for i := 0; !c.closed(i % packets * 3); i++ {
			if answered++; answered > packets+circleProbes {
				t.Errorf("%d packets that go round: %d answered, want %d at most", packets, answered, packets+circleProbes)
				break
			}
		}
		if answered < packets {
			t.Errorf("%d packets that go round: %d answered, want each of them once at least", packets, answered)
		}
		for range 1000 {
			if !c.closed(0) {
				t.Fatalf("%d packets that go round: one was answered after the circle was closed", packets)
			}
		}
		if c.closed(100) || c.closed(0) {
			t.Errorf("%d packets that go round: not answered after a new number", packets)
		}
	}
}

// Whatever a network does to the probes of one session, it is no circle.
func TestCircleIsNotClosedByAProber(t *testing.T) {
	const probes = 200_000
	networks := map[string]func(rnd *rand.Rand, i int) (copies, behind int){
		"nothing is lost":          func(*rand.Rand, int) (int, int) { return 1, 0 },
		"half is lost":             func(rnd *rand.Rand, _ int) (int, int) { return rnd.IntN(2), 0 },
		"99 of 100 are lost":       func(rnd *rand.Rand, _ int) (int, int) { return rnd.IntN(100) / 99, 0 },
		"every other one is lost":  func(_ *rand.Rand, i int) (int, int) { return i % 2, 0 },
		"all come twice":           func(*rand.Rand, int) (int, int) { return 2, 0 },
		"all come up to 50 behind": func(rnd *rand.Rand, _ int) (int, int) { return 1, rnd.IntN(50) },
		"all of that at once":      func(rnd *rand.Rand, _ int) (int, int) { return rnd.IntN(3), rnd.IntN(50) },
		"starts anew now and then": func(rnd *rand.Rand, i int) (int, int) { return 1, i / 1000 * 40 },
	}
	for name, network := range networks {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			var c circle
			for i := range probes {
				copies, behind := network(rnd, i)
				for range copies {
					if c.closed(max(0, i-behind) % textproto.Numbers) {
						t.Fatalf("probe %d would not be answered", i)
					}
				}
			}
		})
	}
}
