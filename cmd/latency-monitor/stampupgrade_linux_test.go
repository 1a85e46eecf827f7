package main_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

const stampUpgraded = `target "b" (udp) speaks STAMP`

// Two daemons in auto go over to STAMP with the first reply. Within an interval, which is long here so
// that it comes on a busy machine too, that is after two probes at most. No probe is spent on it: each is
// answered, and is one point at each end, under the names and tags of its session.
func TestTwoDaemonsGoOverToSTAMPWithinTwoProbes(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testTwoDaemonsGoOverToSTAMPWithinTwoProbes)
}

func testTwoDaemonsGoOverToSTAMPWithinTwoProbes(t *testing.T, m mode) {
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			link := twoHosts(t)
			wire := captureAt(t, link.A.Host)
			b := start(t, spec{mode: m, on: link.B.Host, name: "b", config: receive})
			a := start(t, spec{mode: m, on: link.A.Host, name: "a", config: probeUDP(f.addr(link.B), 100, 1) + "tags = [\"isp:local\", \"it's\"]\n"})
			a.waitPoints(20, "udp.wan.rtt")
			outA, countersA := a.stop()
			sent := countersA.of("slots_sent")
			b.waitPoints(sent, "udp.wan.owd")
			outB, countersB := b.stop()

			checkProber(outA, countersA)
			checkReceiver(outB, countersB, sent)
			countersA.want("stamp_upgrades", 1, "stamp_fallbacks", 0, "lost", 0, "unmatched", 0, "malformed", 0)
			countersB.want("probes_received", sent, "probes_reflected", sent, "probes_missing", 0, "sessions_opened", 2)
			wantLogged(t, outA, map[string]int{stampUpgraded: 1})
			tags := []string{"source:a", "target:b", "isp:local", "it's"}
			wantSeries(t, outA, map[string]int{seriesOf("udp.wan.rtt", tags...): sent})
			wantSeries(t, outB, map[string]int{seriesOf("udp.wan.owd", tags...): sent})
			checkUpgrade(t, wire.datagrams(), sent)
		})
	}
}

// wantSeries checks how many points a daemon printed of each series, and that there are no others but
// those of its own clock.
func wantSeries(t *testing.T, o *output, want map[string]int) {
	t.Helper()
	others := len(o.points) - o.counts["host.clock.error"]
	for series, n := range want {
		others -= n
		if got := o.counts[series]; got != n {
			t.Errorf("%d points of %s, want %d", got, series, n)
		}
	}
	if others != 0 {
		t.Errorf("%d points of other series than %v: %v", others, want, o.counts)
	}
}

// checkUpgrade checks the probes as they left: those until the first reply are text that asks for STAMP,
// perhaps the next one too, which was due already, but no more than two; all others are STAMP with numbers
// from 0 on.
func checkUpgrade(t *testing.T, all []datagram, sent int) {
	t.Helper()
	probes := toPort(8001, all)
	if len(probes) != sent {
		t.Errorf("%d probes on the wire, want %d", len(probes), sent)
	}
	answered := slices.IndexFunc(all, func(d datagram) bool { return d.from.Port() == 8001 })
	text := slices.IndexFunc(probes, func(d datagram) bool { return !d.isText() })
	if before := len(toPort(8001, all[:max(answered, 0)])); text < before || text > before+1 || before == 0 {
		t.Fatalf("%d probes left in text, %d of them before the first reply came, want no more than one after it", text, before)
	}
	if text > 2 {
		t.Errorf("%d probes left in text, want two at most", text)
	}
	for i, d := range probes {
		switch {
		case i < text && !strings.HasSuffix(string(d.data), "|<stamp?>"):
			t.Errorf("probe %d is %q, want a query for STAMP at its end", i, d.data)
		case i >= text && (d.isText() || binary.BigEndian.Uint32(d.data) != uint32(i-text)):
			t.Errorf("probe %d is %x, want STAMP with number %d", i, d.data, i-text)
		}
	}
}

// The way out and the way back, as the prober sees them, are the whole round-trip time of a probe, to the
// nanosecond: the time between the receiver's T2 and T3 is in neither.
func TestRTTOverSTAMPIsWithoutTheTimeInTheReflector(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testRTTOverSTAMPIsWithoutTheTimeInTheReflector)
}

func testRTTOverSTAMPIsWithoutTheTimeInTheReflector(t *testing.T, m mode) {
	for _, format := range []string{"ntp", "ptp"} {
		t.Run(format, func(t *testing.T) {
			config, _, port := onLoopback(t)
			b := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "b", config: config + fmt.Sprintf("stamp_format = %q\n", format)})
			own, _, _ := onLoopback(t)
			a := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "a", config: own + "owd_at_sender = \"always\"\n" +
				probeUDP(loopback, 10, 1) + fmt.Sprintf("udp_port = %d\n", port)})
			a.waitPoints(50, "udp.wan.rtt", "udp.wan.owd.forward", "udp.wan.owd.backward")
			outA, countersA := a.stop()
			b.stop()

			checkProber(outA, countersA)
			countersA.want("replies_implausible", 0, "stamp_upgrades", 1)
			rtts, forward, backward := byTime(t, outA, "udp.wan.rtt"), byTime(t, outA, "udp.wan.owd.forward"), byTime(t, outA, "udp.wan.owd.backward")
			if n := len(forward); n != len(backward) || n < 50 || n >= len(rtts) {
				t.Errorf("%d delays forward, %d backward, want one each for all of %d round-trip times but the first", n, len(backward), len(rtts))
			}
			for at, rtt := range rtts {
				if out, ok := forward[at]; ok && out+backward[at] != rtt {
					t.Errorf("probe of %d: RTT %d ns, want %d + %d = %d", at, rtt, out, backward[at], out+backward[at])
				}
			}
		})
	}
}

// byTime are the values of a metric by the time of their points, which must differ.
func byTime(t *testing.T, o *output, metric string) map[int64]int64 {
	t.Helper()
	values := map[int64]int64{}
	for _, p := range o.points {
		if p.Metric != metric {
			continue
		}
		if _, twice := values[p.Time]; twice {
			t.Errorf("two points of %s with the time %d", metric, p.Time)
		}
		values[p.Time] = p.Value
	}
	return values
}
