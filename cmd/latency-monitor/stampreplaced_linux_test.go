package main_test

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// A peer that speaks STAMP is replaced by one that knows text only, and that by one that speaks STAMP
// again: the session follows both times, and what became of each probe is known.
func TestSessionFollowsAPeerThatIsReplacedByOneOfTheOtherProtocol(t *testing.T) {
	t.Parallel()
	bothWaysAtOnce(t, testSessionFollowsAPeerThatIsReplacedByOneOfTheOtherProtocol)
}

func testSessionFollowsAPeerThatIsReplacedByOneOfTheOtherProtocol(t *testing.T, m mode) {
	for _, test := range []struct {
		name   string
		family family
		silent bool // the network does not say that nobody listens in between
	}{
		{"over IPv4, unnoticed", families()[0], true},
		{"over IPv6, unnoticed", families()[1], true},
		{"over IPv4, which the network tells", families()[0], false},
	} {
		t.Run(test.name, func(t *testing.T) {
			link := twoHosts(t)
			if test.silent {
				link.A.Host.Drop(t, netnstest.Loss{Every: 1, IPv6: test.family.ipv6, Match: unreachable(test.family)})
			}
			address := test.family.addr(link.B)
			peer := spec{mode: m, on: link.B.Host, name: "b", config: receive}
			b := start(t, peer)
			a := start(t, spec{mode: m, on: link.A.Host, name: "a", config: "max_lost = 5\n" + probeUDP(address, 20, 0.5)})
			a.waitLogged(1, stampUpgraded)
			a.waitMore(20, "udp.wan.rtt")

			b.stop()
			old := answerAt(t, listenAt(t, link.B.Host, address, 8001), echoAsReference)
			a.waitLogged(1, stampGivenUp)
			a.waitMore(80, "udp.wan.rtt") // for longer than STAMP is not tried again, also from the first answer on

			probes := old.received()
			b = start(t, peer)
			a.waitLogged(2, stampUpgraded)
			b.waitPoints(20, "udp.wan.owd")
			out, c := a.stop()
			outB, countersB := b.stop()

			checkProber(out, c)
			checkPrinted(outB, countersB)
			c.want("stamp_upgrades", 2, "stamp_fallbacks", 1, "malformed", 0, "one_way", 0)
			tags := []string{"source:a", "target:b"}
			wantTotal(t, out, c, tags)
			want := []string{"speaks STAMP", "going back to text", "speaks STAMP"}
			if got := protocolsOf(out); !slices.Equal(got, want) {
				t.Errorf("the log has %q, want %q", got, want)
			}
			checkOldPeer(t, probes, test.silent)
			if n := outB.counts[seriesOf("udp.wan.owd", tags...)]; n != outB.counts["udp.wan.owd"] || n < 20 {
				t.Errorf("%d delays of %d are of the session's name, want all, 20 or more", n, outB.counts["udp.wan.owd"])
			}
		})
	}
}

// unreachable picks the ICMP errors that say that nobody listens.
func unreachable(f family) []string {
	if f.ipv6 {
		return []string{"-p", "icmpv6", "--icmpv6-type", "destination-unreachable"}
	}
	return []string{"-p", "icmp", "--icmp-type", "destination-unreachable"}
}

const stampGivenUp = `target "b" (udp) does not answer STAMP: going back to text`

// listenAt opens a UDP port on a host, a peer that does what the test makes it do.
func listenAt(t *testing.T, h *netnstest.Host, address string, port int) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	err := h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(address), Port: port})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// wantTotal checks that each probe is one point: a round-trip time or a loss.
func wantTotal(t *testing.T, o *output, c counters, tags []string) {
	t.Helper()
	rtt, loss := o.counts[seriesOf("udp.wan.rtt", tags...)], o.counts[seriesOf("udp.wan.loss", tags...)]
	if rtt != c.of("answered") || loss != c.of("lost") || rtt+loss != c.of("slots_sent") {
		t.Errorf("%d round-trip times and %d losses, want %d and %d, one of them for each of %d probes",
			rtt, loss, c.of("answered"), c.of("lost"), c.of("slots_sent"))
	}
}

// protocolsOf are the changes of protocol that the log tells.
func protocolsOf(o *output) []string {
	var found []string
	for _, line := range o.log {
		for _, change := range []string{"speaks STAMP", "going back to text"} {
			if strings.Contains(line, change) {
				found = append(found, change)
			}
		}
	}
	return found
}

// checkOldPeer checks what reached the peer that knows text only: STAMP, if nobody said that the other one
// had gone, until max_lost probes were lost; text that asks, with STAMP between until it is answered; and
// then text only.
func checkOldPeer(t *testing.T, probes []string, silent bool) {
	t.Helper()
	isQuery := func(probe string) bool { return strings.HasSuffix(probe, "|<stamp?>") }
	inStamp, inText := 0, 0 // the latter since the last one in STAMP
	for _, probe := range probes {
		if isQuery(probe) {
			inText++
		} else {
			inStamp, inText = inStamp+1, 0
		}
	}
	if inText < 60 {
		t.Errorf("after the last probe in STAMP there are %d in text, want the 60 or more that were answered", inText)
	}
	if silent && (len(probes) == 0 || isQuery(probes[0])) {
		t.Error("the session went back to text before it lost a probe in STAMP")
	}
	// 5 that are lost, those of their timeout of 0.5 s, and of 0.1 s, or ten times that on a busy machine,
	// until it is looked for. Slots that pass while the prober does not run are skipped.
	if most := 5 + (500+10*100)/20 + 1; inStamp > most {
		t.Errorf("%d probes in STAMP reached a peer that does not know it, want at most %d", inStamp, most)
	}
}
