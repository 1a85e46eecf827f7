package main_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// A thousand TCP handshakes a second for a minute leave nothing behind, on either side.
func TestMinuteOfAThousandConnectsASecondLeavesNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	bothWaysAtOnce(t, testMinuteOfAThousandConnectsASecondLeavesNothingBehind)
}

func testMinuteOfAThousandConnectsASecondLeavesNothingBehind(t *testing.T, m mode) {
	const early, all = 2_000, 60_000
	link := twoHosts(t)
	b := start(t, spec{mode: m, on: link.B.Host, name: "b", config: receive})
	// There is an established session as well. With rtt off the prober publishes nothing of it, and the
	// receiver a delay per probe.
	config := fmt.Sprintf("interval = 1\ntimeout = 5\nrtt = false\nudp = false\n[[targets]]\nhost = %q\nlabel = \"b\"\n", link.B.IPv4)
	a := start(t, spec{mode: m, on: link.A.Host, name: "a", config: config})
	a.waitPoints(early, "tcp.wan.latency")
	beforeA, beforeB := descriptors(t, a), descriptors(t, b)
	a.waitFor(75*time.Second, func(o *output) bool { return o.counts["tcp.wan.latency"] >= all })

	// A few connections are on their way at any time.
	const underWay = 10
	a.wait("descriptors closed", func(*output) bool { return descriptors(t, a) <= beforeA+underWay })
	b.wait("descriptors closed", func(*output) bool { return descriptors(t, b) <= beforeB+underWay })
	for _, end := range []netnstest.End{link.A, link.B} {
		if waiting := end.Host.Run(t, "ss", "-Htan", "state", "time-wait"); waiting != "" {
			t.Errorf("%v: sockets in TIME_WAIT:\n%s", end.IPv4, waiting)
		}
	}
	outA, countersA := a.stop()
	outB, countersB := b.stop()

	checkProber(outA, countersA)
	checkPrinted(outB, countersB)
	latencies, lost := outA.counts["tcp.wan.latency"], outA.counts["tcp.wan.loss"]
	if sent, established := countersA.of("slots_sent"), outB.counts["tcp.wan.owd"]; latencies+lost+established != sent {
		t.Errorf("%d latencies + %d losses + %d probes over the established connection = %d, want %d, the slots sent",
			latencies, lost, established, latencies+lost+established, sent)
	}
	for _, value := range outA.values("tcp.wan.latency", "source:a", "target:b") {
		if value <= 0 {
			t.Fatalf("a TCP handshake of %d ns, want more than 0", value)
		}
	}
	countersA.want("reconnects", 0)
}

// descriptors is how many files and sockets a daemon has open.
func descriptors(t *testing.T, p *process) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Error(err)
	}
	return len(open)
}
