package main_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// A source gets no more answers than its limit, after those of the first second at once. All else is
// counted.
func TestSourceBeyondItsRateIsNotAnswered(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testSourceBeyondItsRateIsNotAnswered)
}

func testSourceBeyondItsRateIsNotAnswered(t *testing.T, m mode) {
	const rate = 20
	config, _, port := onLoopback(t)
	b := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "b", config: config + fmt.Sprintf("rate_limit = %d\n", rate)})
	a := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: probeLoopback(t, port) + "protocol = \"stamp\"\n"})
	b.wait("answers for 3 s", func(o *output) bool { return lasts(o, "udp.wan.owd") > 3*time.Second })
	outA, countersA := a.stop()
	outB, countersB := b.stop()

	checkProber(outA, countersA)
	checkPrinted(outB, countersB)
	answered, sent := countersB.of("probes_reflected"), countersA.of("slots_sent")
	countersA.want("answered", answered, "lost", sent-answered)
	countersB.want("probes_received", answered, "probes_rate_limited", sent-answered)
	// The bucket holds a second's worth. A prober that is kept from sending may use less of it.
	between := rate * lasts(outB, "udp.wan.owd").Seconds()
	if most := int(between) + rate + 1; answered > most || answered < int(between)/2 {
		t.Errorf("%d answers, want %d to %d", answered, int(between)/2, most)
	}
}
