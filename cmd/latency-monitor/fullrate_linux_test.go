package main_test

import (
	"fmt"
	"testing"
	"time"
)

// At one probe a millisecond for a minute, every slot and every received probe is accounted for.
func TestMinuteOfOneProbeAMillisecondIsAccountedFor(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	bothWaysAtOnce(t, testMinuteOfOneProbeAMillisecondIsAccountedFor)
}

func testMinuteOfOneProbeAMillisecondIsAccountedFor(t *testing.T, m mode) {
	const probes = 60_000
	link := twoHosts(t)
	b := start(t, spec{mode: m, on: link.B.Host, name: "b", config: receive})
	config := fmt.Sprintf("[[targets]]\nhost = %q\nlabel = \"b\"\n", link.B.IPv4)
	a := start(t, spec{mode: m, on: link.A.Host, name: "a", config: config, args: []string{"-i", "1", "--no-tcp", "--no-rtt"}})

	b.waitFor(75*time.Second, func(o *output) bool { return o.counts["udp.wan.owd"] >= probes })
	outA, countersA := a.stop()
	sent := countersA.of("slots_sent")
	b.wait("all probes", func(o *output) bool { return o.counts["udp.wan.owd"]+o.counts["udp.wan.loss"] >= sent })
	outB, countersB := b.stop()

	if all := sent + countersA.of("slots_skipped"); all < probes {
		t.Errorf("%d slots sent or skipped, want at least %d", all, probes)
	}
	checkProber(outA, countersA)
	checkReceiver(outB, countersB, sent)
	checkSlots(t, outB, countersA, time.Millisecond)
}
