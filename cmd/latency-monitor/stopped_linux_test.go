package main_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The parent is stopped for 5 s, at one probe a millisecond. The engine process goes on; all it costs is
// what no longer fits into the ring, and that is counted.
func TestStoppedParentCostsSamplesAndNoSlots(t *testing.T) {
	const (
		stop     = 5 * time.Second
		slots    = int(stop / time.Millisecond)
		ringSize = 1024
	)
	link := twoHosts(t)
	// With real-time priority, so that others on this machine cost few slots, and with a timeout that no
	// reply comes close to.
	const engine = "[engine]\nrealtime_priority = 10\n"
	b := start(t, spec{mode: isolated, on: link.B.Host, name: "b", config: receive + engine})
	config := "interval = 1\ntimeout = 10\n" + engine + fmt.Sprintf("ring_size = %d\n"+
		"[[targets]]\nhost = %q\nlabel = \"b\"\ntype = \"udp\"\n", ringSize, link.B.IPv4)
	a := start(t, spec{mode: isolated, on: link.A.Host, name: "a", config: config})
	b.wait("probes for as long as the stop will be", probesUntil(time.Now().Add(stop)))
	stopped := time.Now()
	a.signal(unix.SIGSTOP)
	b.wait("probes while the parent is stopped", probesUntil(stopped.Add(stop)))
	a.signal(unix.SIGCONT)
	outA, c := a.stop()
	b.waitPoints(c.of("slots_sent"), "udp.wan.owd")
	outB, _ := b.stop()

	checkSlots(t, outB, c, time.Millisecond)
	sent := timesOfSending(outB)
	before := slots - countBetween(sent, stopped.Add(-stop), stopped)
	during := slots - countBetween(sent, stopped, stopped.Add(stop))
	t.Logf("slots without a probe: %d in the 5 s before, %d in the 5 s of the stop, of %d; %d samples dropped",
		before, during, slots, c.of("ring_dropped"))
	// An engine process that waits for its parent, for room in the ring or for anything else, skips all
	// slots from then on. What a busy machine costs is less than 5 % with real-time priority, unless it
	// costs as much before.
	if most := slots/20 + 2*max(0, before); during > most {
		t.Errorf("%d of %d slots had no probe while the parent was stopped, want at most %d", during, slots, most)
	}
	checkDroppedSamples(t, outA, c)
	if dropped := c.of("ring_dropped"); dropped < slots-max(0, during)-2*ringSize {
		t.Errorf("%d samples dropped, want all that did not fit into a ring of %d", dropped, ringSize)
	}
}

// probesUntil holds when a receiver has printed a probe that was sent at the time or later.
func probesUntil(at time.Time) func(o *output) bool {
	return func(o *output) bool {
		if len(o.points) == 0 {
			return false
		}
		last := o.points[len(o.points)-1]
		return last.Time-last.Value >= at.UnixNano()
	}
}

func countBetween(sorted []int64, from, to time.Time) int {
	first, _ := slices.BinarySearch(sorted, from.UnixNano())
	last, _ := slices.BinarySearch(sorted, to.UnixNano())
	return last - first
}

// checkDroppedSamples checks that of each probe there is a point, or a sample that was dropped. What the
// log may lack is the news that the clock was set, and the output one or two points of its error, and
// points that tell on which way a probe was lost.
func checkDroppedSamples(t *testing.T, out *output, c counters) {
	t.Helper()
	c.want("export_dropped", 0, "cli_sent", len(out.points), "abandoned", 0, "slots_sent", c.of("answered")+c.of("lost"))
	produced := c.of("answered") + c.of("lost") - c.of("ambiguous")
	printed := len(out.points) - out.counts["host.clock.error"]
	accounted := printed + c.of("ring_dropped")
	others := c.of("clock_steps") + 2 + c.of("lost_forward") + c.of("lost_backward")
	if accounted < produced || accounted > produced+others {
		t.Errorf("%d points printed + %d samples dropped, want %d, one for each probe answered or lost",
			printed, c.of("ring_dropped"), produced)
	}
}
