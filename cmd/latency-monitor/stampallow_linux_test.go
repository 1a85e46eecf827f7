package main_test

import (
	"fmt"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// With a list of those that are allowed, others get no answer: not over UDP, and not over TCP. They are
// counted.
func TestProberThatIsNotAllowedGetsNoAnswer(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testProberThatIsNotAllowedGetsNoAnswer)
}

func testProberThatIsNotAllowedGetsNoAnswer(t *testing.T, m mode) {
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			lab := netnstest.New(t)
			hostB := lab.Host("b")
			friend, stranger := lab.Link(lab.Host("a"), hostB), lab.Link(lab.Host("c"), hostB)
			b := start(t, spec{mode: m, on: hostB, name: "b", config: fmt.Sprintf("allow = [%q]\n", f.addr(friend.A))})
			probe := func(address string) string {
				return fmt.Sprintf("interval = 20\ntimeout = 1\n[[targets]]\nhost = %q\nlabel = \"b\"\ntcp_latency = false\n", address)
			}
			a := start(t, spec{mode: m, on: friend.A.Host, name: "a", config: probe(f.addr(friend.B))})
			c := start(t, spec{mode: m, on: stranger.A.Host, name: "c", config: probe(f.addr(stranger.B))})
			a.waitPoints(30, "udp.wan.rtt", "tcp.wan.rtt")
			c.waitLogged(1, `target "b" (udp) does not answer`)
			c.waitLogged(1, `tcp connection to "b" is down`)
			outA, countersA := a.stop()
			outC, countersC := c.stop()
			outB, countersB := b.stop()

			checkProber(outA, countersA)
			checkProber(outC, countersC)
			countersA.want("lost", 0)
			countersC.want("answered", 0)
			if n := outC.counts["tcp.wan.rtt"] + outC.counts["udp.wan.rtt"]; n != 0 {
				t.Errorf("%d round-trip times of a prober that is not allowed", n)
			}
			overUDP := outC.counts["udp.wan.loss"]
			if refused := countersB.of("probes_not_allowed"); refused <= overUDP {
				t.Errorf("counter probes_not_allowed = %d, want more than %d, the probes over UDP: connections too", refused, overUDP)
			}
			for _, p := range outB.points {
				if p.Metric != "host.clock.error" && p.Tags[0] != "source:a" {
					t.Errorf("the receiver printed %v", p)
				}
			}
		})
	}
}
