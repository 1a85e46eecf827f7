package main_test

import (
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

const voice = 46 // the DSCP "expedited forwarding" (RFC 3246)

// Probes and replies leave with the DSCP of the session. When somebody on the way takes it off, the log
// says so once, and once when that ends; each probe that arrived with another is counted.
func TestRemarkingIsToldOncePerChangeAndCounted(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testRemarkingIsToldOncePerChangeAndCounted)
}

func testRemarkingIsToldOncePerChangeAndCounted(t *testing.T, m mode) {
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			link := twoHosts(t)
			wire := captureAt(t, link.B.Host)
			b := start(t, spec{mode: m, on: link.B.Host, name: "b", config: receive})
			a := start(t, spec{mode: m, on: link.A.Host, name: "a", config: probeUDP(f.addr(link.B), 20, 1) + "dscp = 46\n"})
			a.waitLogged(1, stampUpgraded)
			a.waitMore(10, "udp.wan.rtt")

			remark := link.B.Host.Remark(t, netnstest.Remarking{Mask: 0xfc, IPv6: f.ipv6, Match: []string{"-p", "udp", "--dport", "8001"}})
			a.waitLogged(1, `probes to target "b" (udp) arrive with DSCP 0, ECN 0 instead of DSCP 46, ECN 0`)
			leaveMarks(t, link.B.Host, f.ipv6)
			remarked := remark.Remarked(t)
			a.waitLogged(1, `probes to target "b" (udp) arrive as they were sent again, with DSCP 46, ECN 0`)
			outA, countersA := a.stop()
			outB, countersB := b.stop()

			checkProber(outA, countersA)
			checkReceiver(outB, countersB, countersA.of("slots_sent"))
			countersA.want("lost", 0, "remarked", remarked)
			wantLogged(t, outA, map[string]int{"arrive with DSCP": 1, "arrive as they were sent again": 1, "arrive with TTL 255": 1})
			for _, d := range wire.datagrams() {
				if d.from.Port() != 8001 && d.to.Port() != 8001 {
					continue
				}
				if want := uint8(voice << 2); d.tos != want && !(d.isText() && d.from.Port() == 8001) {
					t.Errorf("datagram from %v to %v has the TOS octet %#x, want %#x: %x", d.from, d.to, d.tos, want, d.data)
				}
				if !d.isText() && d.ttl != 255 {
					t.Errorf("datagram from %v to %v has TTL %d, want 255", d.from, d.to, d.ttl)
				}
			}
		})
	}
}

// leaveMarks ends all re-marking at a host while its counters stay.
func leaveMarks(t *testing.T, h *netnstest.Host, ipv6 bool) {
	t.Helper()
	tool := "iptables"
	if ipv6 {
		tool = "ip6tables"
	}
	h.Run(t, tool, "-w", "-t", "mangle", "-I", "PREROUTING", "-j", "ACCEPT")
}

// Behind a router, probes arrive with a TTL that is less by one than they left with, and the log of the
// prober says with which.
func TestTTLAtTheFarEndIsTold(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testTTLAtTheFarEndIsTold)
}

func testTTLAtTheFarEndIsTold(t *testing.T, m mode) {
	lab := netnstest.New(t)
	hostA, router, hostB := lab.Host("a"), lab.Host("r"), lab.Host("b")
	near, far := lab.Link(hostA, router), lab.Link(router, hostB)
	router.Run(t, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	hostA.Run(t, "ip", "route", "add", far.B.IPv4.String(), "via", near.B.IPv4.String())
	hostB.Run(t, "ip", "route", "add", near.A.IPv4.String(), "via", far.A.IPv4.String())
	hostA.Run(t, "ip", "route", "add", far.B.IPv6.String(), "via", near.B.IPv6.String())
	hostB.Run(t, "ip", "route", "add", near.A.IPv6.String(), "via", far.A.IPv6.String())

	wire := captureAt(t, hostB)
	b := start(t, spec{mode: m, on: hostB, name: "b", config: receive})
	a := start(t, spec{mode: m, on: hostA, name: "a", config: "interval = 20\ntype = \"udp\"\n" +
		"[[targets]]\nhost = \"" + far.B.IPv4.String() + "\"\nlabel = \"five\"\nttl = 5\n" +
		"[[targets]]\nhost = \"" + far.B.IPv6.String() + "\"\nlabel = \"default\"\n"})
	a.waitLogged(1, `probes to target "five" (udp) arrive with TTL 4`)
	a.waitLogged(1, `probes to target "default" (udp) arrive with TTL 254`)
	a.waitMore(60, seriesOf("udp.wan.rtt", "source:a", "target:five"), seriesOf("udp.wan.rtt", "source:a", "target:default"))
	out, c := a.stop()
	b.stop()

	checkProber(out, c)
	wantLogged(t, out, map[string]int{"arrive with TTL": 2, "arrive with DSCP": 0})
	for _, d := range toPort(8001, wire.datagrams()) {
		want := uint8(254)
		switch {
		case d.to.Addr().Is4():
			want = 4
		case d.isText():
			want = 63 // what Linux sends with, 64, less one
		}
		if d.ttl != want {
			t.Errorf("probe to %v arrived with TTL %d, want %d", d.to, d.ttl, want)
		}
	}
}
