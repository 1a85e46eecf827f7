package main_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// At the shortest interval every slot is sent or skipped and counted.
func TestShortestIntervalIsAccountedFor(t *testing.T) {
	bothWays(t, testShortestIntervalIsAccountedFor)
}

func testShortestIntervalIsAccountedFor(t *testing.T, m mode) {
	const probes = 10_000
	config, _, _ := onLoopback(t)
	config += fmt.Sprintf("interval = 0.1\n[[targets]]\nhost = %q\ntype = \"udp\"\n", loopback)
	p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: config})
	p.waitPoints(probes, "udp.wan.owd", "udp.wan.rtt")
	out, c := p.stop()

	checkProber(out, c)
	checkReceived(out, c, c.of("slots_sent"))
	checkSlots(t, out, c, 100*time.Microsecond)
}
