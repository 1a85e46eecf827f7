package reflector

import (
	"net"
	"net/netip"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// pair is two reflectors on addresses of their own.
type pair struct{ a, b *rig }

// forge has a receive these datagrams as if b had sent them, and then runs both.
func forge(t *testing.T, i implementation, samePort bool, datagrams ...[]byte) pair {
	t.Helper()
	a := newRig(t, i, testConfig(loopback))
	source := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}
	if samePort {
		source.Port = int(a.udp.Port())
	}
	before, err := net.DialUDP("udp", source, net.UDPAddrFromAddrPort(a.udp))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range datagrams {
		if _, err := before.Write(d); err != nil {
			t.Fatal(err)
		}
	}
	c := testConfig(netip.MustParseAddr("127.0.0.2"))
	c.Name = "the other one"
	c.UDP[0] = before.LocalAddr().(*net.UDPAddr).AddrPort()
	_ = before.Close()
	b := newRig(t, i, c)
	b.start()
	a.start()
	return pair{a, b}
}

func (p pair) sum(c selfstats.Counter) uint64 { return p.a.counters.Get(c) + p.b.counters.Get(c) }

// atRest waits until the datagrams go round no more, after so many replies at most.
func (p pair) atRest(datagrams int, most uint64) {
	p.a.Helper()
	waittest.Until(p.a, "every datagram was stopped", func() bool {
		if replies := p.sum(selfstats.ProbesReflected); replies > most {
			p.a.Fatalf("%d replies and no end, want %d at most", replies, most)
		}
		return p.sum(selfstats.ProbesLooped) == uint64(datagrams)
	})
	p.a.client().answered()
	p.b.client().answered()
}

func TestReflectorsOnOnePortDoNotAnswerEachOther(t *testing.T) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) {
			forge(t, i, true, probe(5).bytes()).atRest(1, 0)
		})
	}
}

// A STAMP reply is well formed as a request, and a stateful reflector gives each a new number.
func TestStampRepliesDoNotGoRound(t *testing.T) {
	for _, i := range implementations() {
		for _, samePort := range []bool{true, false} {
			t.Run(i.name, func(t *testing.T) {
				p := forge(t, i, samePort, stampPacket(t, stampProbe{ssid: 1}), stampPacket(t, stampProbe{ssid: 2, tlvs: allTLVs(t)}))
				p.atRest(2, 2)
				waittest.Until(t, "two replies to the forged ones, and those of atRest", func() bool {
					return p.sum(selfstats.ProbesReflected) == 4
				})
			})
		}
	}
}

func TestReflectorsOnDifferentPortsStopAnsweringEachOther(t *testing.T) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) {
			forge(t, i, false, probe(5).bytes()).atRest(1, 2*(1+circleProbes))
			// Which number comes next does not matter, as long as they are few.
			forge(t, i, false, probe(0).bytes(), probe(50).bytes(), probe(7).bytes()).atRest(3, 2*(3+circleProbes))
		})
	}
}
