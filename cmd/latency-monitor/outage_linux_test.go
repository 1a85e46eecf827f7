package main_test

import (
	"fmt"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// Without a way for more than one round of the 101 numbers of the text protocol, both sides know how
// many probes were lost.
func TestTotalLossForMoreThanAllNumbersIsCountedByBothSides(t *testing.T) {
	bothWaysAtOnce(t, testTotalLossForMoreThanAllNumbersIsCountedByBothSides)
}

func testTotalLossForMoreThanAllNumbersIsCountedByBothSides(t *testing.T, m mode) {
	for _, f := range families() {
		for _, protocol := range []string{"text", "stamp"} {
			t.Run(f.name+" "+protocol, func(t *testing.T) {
				testTotalLoss(t, m, f, protocol)
			})
		}
	}
}

func testTotalLoss(t *testing.T, m mode, f family, protocol string) {
	link := twoHosts(t)
	b := start(t, spec{mode: m, on: link.B.Host, name: "b", config: receive})
	config := fmt.Sprintf("protocol = %q\n", protocol) + probeUDP(f.addr(link.B), 10, 0.5)
	a := start(t, spec{mode: m, on: link.A.Host, name: "a", config: config})
	b.waitPoints(100, "udp.wan.owd")
	drop := link.B.Host.Drop(t, netnstest.Loss{Every: 1, IPv6: f.ipv6, Match: []string{"-p", "udp", "--dport", "8001"}})
	a.waitPoints(80, "udp.wan.loss") // and some fifty are not settled yet
	letThrough(t, link.B.Host, f.ipv6)
	dropped := drop.Dropped(t)
	a.waitMore(50, "udp.wan.rtt")
	outA, countersA := a.stop()
	b.waitPoints(dropped, "udp.wan.loss")
	outB, countersB := b.stop()

	checkProber(outA, countersA)
	checkReceiver(outB, countersB, countersA.of("slots_sent"))
	if lost, late := outA.counts["udp.wan.loss"], countersA.of("late"); lost-late != dropped {
		t.Errorf("the prober printed %d losses, %d of them of late replies, want %d", lost, late, dropped)
	}
	wantLogged(t, outA, map[string]int{" does not answer": 1, " answers": 2})
}

// The link goes down, as to both hosts, and comes back: what was sent is accounted for, what could not
// be sent was skipped, and all measurements resume.
func TestMeasurementSurvivesALinkThatGoesDown(t *testing.T) {
	bothWaysAtOnce(t, testMeasurementSurvivesALinkThatGoesDown)
}

func testMeasurementSurvivesALinkThatGoesDown(t *testing.T, m mode) {
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			link := twoHosts(t)
			b := start(t, spec{mode: m, on: link.B.Host, name: "b", config: receive})
			config := fmt.Sprintf("interval = 10\ntimeout = 0.5\n[[targets]]\nhost = %q\nlabel = \"b\"\n", f.addr(link.B))
			a := start(t, spec{mode: m, on: link.A.Host, name: "a", config: config})
			a.waitPoints(20, "udp.wan.rtt", "tcp.wan.rtt", "tcp.wan.latency")

			link.Down(t)
			a.waitLogged(1, "sending to target \"b\" (udp) fails")
			a.waitLogged(1, "tcp connection to \"b\" is down") // after ten losses
			link.Up(t)

			a.waitLogged(2, " works again") // over UDP, and TCP connect probes
			a.waitLogged(2, "tcp connection to \"b\" is up")
			a.waitMore(20, "udp.wan.rtt", "tcp.wan.rtt", "tcp.wan.latency")
			b.waitMore(20, "udp.wan.owd", "tcp.wan.owd")
			outA, countersA := a.stop()
			sentUDP := outA.counts["udp.wan.rtt"] + outA.counts["udp.wan.loss"]
			b.wait("all probes over UDP", func(o *output) bool { return o.counts["udp.wan.owd"]+o.counts["udp.wan.loss"] >= sentUDP })
			outB, countersB := b.stop()

			checkProber(outA, countersA)
			checkPrinted(outB, countersB)
			countersA.want("reconnects", 1)
			if skipped := countersA.of("skipped_send_error"); skipped < 50 {
				t.Errorf("%d slots skipped because there was no route, want at least 50", skipped)
			}
			inTime := outB.counts["udp.wan.owd"]
			if lost := outA.counts["udp.wan.loss"]; sentUDP-inTime > lost {
				t.Errorf("%d of %d probes reached the receiver over UDP, but only %d are lost", inTime, sentUDP, lost)
			}
			for _, line := range []string{
				"sending to target \"b\" (udp) fails", "sending to target \"b\" (tcp-connect) fails", "tcp connection to \"b\" is down",
			} {
				wantLogged(t, outA, map[string]int{line: 1})
			}
		})
	}
}

// wantLogged checks how many lines contain each text.
func wantLogged(t *testing.T, o *output, want map[string]int) {
	t.Helper()
	for text, n := range want {
		if got := o.logged(text); got != n {
			t.Errorf("%d log lines with %q, want %d", got, text, n)
		}
	}
}
