package main_test

import (
	"fmt"
	"testing"
	"time"
)

// probed are the metrics of a prober.
var probed = []string{"udp.wan.rtt", "tcp.wan.rtt", "tcp.wan.latency"}

// The engine process is killed three times under load. What it measured and counted is not lost, each
// slot that there was is accounted for, and the peer takes nothing for a loss.
func TestKilledEngineProcessIsFollowedAndAccountsAddUp(t *testing.T) {
	const kills = 3
	link := twoHosts(t)
	b := start(t, spec{mode: isolated, on: link.B.Host, name: "b", config: receive})
	config := fmt.Sprintf("interval = 1\ntimeout = 0.5\n[[targets]]\nhost = %q\nlabel = \"b\"\n", link.B.IPv4)
	a := start(t, spec{mode: isolated, on: link.A.Host, name: "a", config: config})
	victim := a.engineProcess()
	var victims []int
	for n := range kills {
		a.waitMore(200, probed...)
		kill(t, victim)
		victims = append(victims, victim)
		victim = a.waitNextEngine(n + 1)
	}
	a.waitMore(200, probed...)
	outA, countersA := a.stop()
	sentUDP := outA.counts["udp.wan.rtt"] + outA.counts["udp.wan.loss"]
	b.waitPoints(sentUDP, "udp.wan.owd")
	outB, countersB := b.stop()

	checkDeaths(t, outA, countersA, victims)
	checkKilledProber(t, outA, countersA, kills)
	// The slots of one death are at least 100 for each session.
	checkAllSlots(t, outB, countersA, schedule{
		interval: time.Millisecond, sessions: len(probed), kills: kills, ends: 50 * time.Millisecond,
	})
	checkPrinted(outB, countersB)
	countersB.want("probes_missing", 0)
	if losses := outB.counts["udp.wan.loss"] + outB.counts["tcp.wan.loss"]; losses > 0 {
		t.Errorf("the receiver printed %d losses, want none", losses)
	}
}

// checkDeaths checks that the log tells of each death once, and of each successor.
func checkDeaths(t *testing.T, out *output, c counters, victims []int) {
	t.Helper()
	c.want("engine_restarts", len(victims))
	want := map[string]int{"engine process ": 2 * len(victims), " measures, ": len(victims)}
	for _, pid := range victims {
		want[fmt.Sprintf("engine process %d died: signal: killed: starting another one", pid)] = 1
	}
	wantLogged(t, out, want)
}

// checkKilledProber checks the accounts of a daemon whose engine process was killed.
func checkKilledProber(t *testing.T, out *output, c counters, kills int) {
	t.Helper()
	sent, settled := c.of("slots_sent"), c.of("answered")+c.of("lost")+c.of("abandoned")
	if sent != settled {
		t.Errorf("%d probes sent, %d answered + lost + abandoned, want the same", sent, settled)
	}
	c.want("ring_dropped", 0, "export_dropped", 0, "cli_sent", len(out.points), "unresolved", 0, "invalid_records", 0)
	// A probe is counted first and published then, so a kill in between costs one point.
	measured, points := c.of("answered")+c.of("lost")-c.of("ambiguous"), pointsAsProber(out)
	if points > measured || points < measured-kills {
		t.Errorf("%d points printed of %d probes answered or lost, want one each, but for at most %d", points, measured, kills)
	}
}

// pointsAsProber is how many points a daemon printed that tell what became of a probe of its own.
func pointsAsProber(out *output) int {
	n := 0
	for _, metric := range []string{"udp.wan.rtt", "udp.wan.loss", "tcp.wan.rtt", "tcp.wan.latency", "tcp.wan.loss"} {
		n += out.counts[metric]
	}
	return n
}
