package main_test

import (
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// The engine process of the prober is killed, and then that of the receiver. Neither is a loss to the
// receiver, which counts just those probes that were dropped before, between and after.
func TestKilledEngineProcessesOfSTAMPAreNoLoss(t *testing.T) {
	t.Parallel()
	link := twoHosts(t)
	b := start(t, spec{mode: isolated, on: link.B.Host, name: "b", config: receive})
	a := start(t, spec{mode: isolated, on: link.A.Host, name: "a", config: "protocol = \"stamp\"\nmax_lost = 100000\n" +
		probeUDP(link.B.IPv4.String(), 5, 0.5)})
	const burst = 20
	dropped := 0
	lose := func() {
		t.Helper()
		a.waitMore(20, "udp.wan.rtt")
		drop := link.B.Host.Drop(t, netnstest.Loss{Every: 3, First: 1, Count: burst, Match: []string{"-p", "udp", "--dport", "8001"}})
		dropped += burst
		b.wait("the losses", func(o *output) bool { return sum(o, "udp.wan.loss") >= dropped })
		drop.Remove(t)
	}
	lose()
	kill(t, a.engineProcess())
	a.waitNextEngine(1)
	lose()
	kill(t, b.engineProcess())
	b.waitNextEngine(1)
	lose()
	a.waitMore(20, "udp.wan.rtt")
	outA, countersA := a.stop()
	outB, countersB := b.stop()

	sent := countersA.of("slots_sent")
	if settled := countersA.of("answered") + countersA.of("lost") + countersA.of("abandoned"); settled != sent {
		t.Errorf("%d probes sent, %d answered + lost + abandoned, want the same", sent, settled)
	}
	countersA.want("engine_restarts", 1)
	countersB.want("engine_restarts", 1, "probes_missing", dropped, "probes_late", 0, "probes_duplicate", 0)
	if got := sum(outB, "udp.wan.loss"); got != dropped {
		t.Errorf("udp.wan.loss at the receiver is %d in all, want %d, as many as were dropped", got, dropped)
	}
	// To the prober it is a loss, too, that nobody was there to answer.
	for _, metric := range []string{"udp.wan.loss", "udp.wan.loss.forward"} {
		if got := sum(outA, metric); got < dropped || got > countersA.of("lost") {
			t.Errorf("%s at the prober is %d in all, want %d to %d", metric, got, dropped, countersA.of("lost"))
		}
	}
}
