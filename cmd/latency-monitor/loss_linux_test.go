package main_test

import (
	"fmt"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// probeUDP configures a target that is probed over UDP only.
func probeUDP(address string, interval, timeout float64) string {
	return fmt.Sprintf("interval = %g\ntimeout = %g\n[[targets]]\nhost = %q\nlabel = \"b\"\ntype = \"udp\"\n", interval, timeout, address)
}

// receive configures a daemon that only answers. Its timeout settles what it misses.
const receive = "timeout = 0.5\n"

// letThrough ends all loss at a host while its counters stay.
func letThrough(t *testing.T, h *netnstest.Host, ipv6 bool) {
	t.Helper()
	tool := "iptables"
	if ipv6 {
		tool = "ip6tables"
	}
	h.Run(t, tool, "-w", "-I", "INPUT", "-j", "ACCEPT")
}

// One in ten probes is dropped on its way to the receiver: both sides count exactly those.
func TestProbesDroppedOnTheWayForwardAreCountedByBothSides(t *testing.T) {
	bothWaysAtOnce(t, testProbesDroppedOnTheWayForwardAreCountedByBothSides)
}

func testProbesDroppedOnTheWayForwardAreCountedByBothSides(t *testing.T, m mode) {
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			link := twoHosts(t)
			b := start(t, spec{mode: m, on: link.B.Host, name: "b", config: receive})
			a := start(t, spec{mode: m, on: link.A.Host, name: "a", config: probeUDP(f.addr(link.B), 5, 1)})
			a.waitPoints(10, "udp.wan.rtt") // nobody would miss the first probe over STAMP
			drop := link.B.Host.Drop(t, netnstest.Loss{Every: 10, First: 3, IPv6: f.ipv6, Match: []string{"-p", "udp", "--dport", "8001"}})
			a.waitPoints(20, "udp.wan.loss")
			letThrough(t, link.B.Host, f.ipv6)
			dropped := drop.Dropped(t)
			b.waitMore(10, "udp.wan.owd") // shows that what was dropped last is missing
			outA, countersA := a.stop()
			b.waitPoints(dropped, "udp.wan.loss")
			outB, countersB := b.stop()

			checkProber(outA, countersA)
			checkReceiver(outB, countersB, countersA.of("slots_sent"))
			// A reply or a probe that is late was not dropped, though it is counted as lost or missing too.
			if lost, late := outA.counts["udp.wan.loss"], countersA.of("late"); lost-late != dropped {
				t.Errorf("the prober printed %d losses, %d of them of late replies, want %d", lost, late, dropped)
			}
			if missing, late := outB.counts["udp.wan.loss"], countersB.of("probes_late"); missing-late != dropped {
				t.Errorf("the receiver printed %d losses, %d of them of late probes, want %d", missing, late, dropped)
			}
		})
	}
}

// One in ten replies is dropped on its way back: the prober counts exactly those, the receiver none.
func TestRepliesDroppedOnTheWayBackAreCountedByTheProberOnly(t *testing.T) {
	bothWaysAtOnce(t, testRepliesDroppedOnTheWayBackAreCountedByTheProberOnly)
}

func testRepliesDroppedOnTheWayBackAreCountedByTheProberOnly(t *testing.T, m mode) {
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			link := twoHosts(t)
			b := start(t, spec{mode: m, on: link.B.Host, name: "b", config: receive})
			drop := link.A.Host.Drop(t, netnstest.Loss{Every: 10, First: 3, IPv6: f.ipv6, Match: []string{"-p", "udp", "--sport", "8001"}})
			a := start(t, spec{mode: m, on: link.A.Host, name: "a", config: probeUDP(f.addr(link.B), 5, 1)})

			a.waitPoints(20, "udp.wan.loss")
			outA, countersA := a.stop() // the last reply may be dropped too: the prober knows about it
			dropped := drop.Dropped(t)
			sent := countersA.of("slots_sent")
			b.waitPoints(sent, "udp.wan.owd")
			outB, countersB := b.stop()

			checkProber(outA, countersA)
			checkReceiver(outB, countersB, sent)
			if lost, late := outA.counts["udp.wan.loss"], countersA.of("late"); lost-late != dropped {
				t.Errorf("the prober printed %d losses, %d of them of late replies, want %d", lost, late, dropped)
			}
			countersB.want("probes_missing", 0)
		})
	}
}
