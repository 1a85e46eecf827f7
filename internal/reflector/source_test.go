package reflector

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
)

func TestAllowedSources(t *testing.T) {
	prefixes := []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("2001:db8::1/128"),
	}
	tests := map[string]bool{
		"192.0.2.255": true, "192.0.3.0": false, "::ffff:192.0.2.1": true, "fe80::1%lo": true, "2001:db8::1": true, "2001:db8::2": false,
	}
	for source, want := range tests {
		f := newFakeFlow(t, Stamp{Allow: prefixes})
		p := packetio.Packet{Data: stampPacket(t, stampProbe{t1: t2}), Remote: netip.AddrPortFrom(netip.MustParseAddr(source), 1000)}
		if got := len(f.give(p)) == 1; got != want {
			t.Errorf("%s: answered %t, want %t", source, got, want)
		}
	}
}

func TestConnectionsOfSourcesNotAllowedAreRefused(t *testing.T) {
	c := testConfig(loopback)
	c.Stamp.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	eachWith(t, c, func(r *rig) {
		if conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(r.tcp)); err == nil { // else it was refused early
			defer func() { _ = conn.Close() }()
		}
		r.counted(selfstats.ConnectionsRefused, 1)
		r.counts(selfstats.ProbesNotAllowed, 1)
	})
}

func TestTextOverTCPIsRefusedWhereAuthenticationIsRequired(t *testing.T) {
	c := testConfig(loopback)
	c.Stamp.Keys, c.Stamp.RequireAuth = [][]byte{[]byte(testKey)}, true
	eachWith(t, c, func(r *rig) {
		s := r.dial()
		s.send(probe(1).bytes())
		s.ends()
		r.counts(selfstats.ProbesUnauthenticated, 1)
		r.counts(selfstats.ProbesReflected, 0)
	})
}

func TestRateOfEachSourceIsLimited(t *testing.T) {
	l := newLimiter(100)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	admitted := func(source netip.Addr, from clock.Mono, packets int, apart time.Duration) (n int) {
		for i := range packets {
			if l.admits(source, from.Add(time.Duration(i)*apart)) {
				n++
			}
		}
		return n
	}
	const second = clock.Mono(time.Second)
	if n := admitted(a, 0, 1000, 0); n != 100 {
		t.Errorf("%d of 1000 at once, want 100", n)
	}
	if n := admitted(b, 0, 10, 0); n != 10 {
		t.Errorf("%d of 10 of another source, want all", n)
	}
	if n := admitted(a, 0, 1000, time.Millisecond); n != 99 {
		t.Errorf("%d in the next second, want 99", n)
	}
	if n := admitted(a, 10*second, 1000, 10*time.Millisecond); n != 1000 {
		t.Errorf("%d of 1000 at the limit, want all", n)
	}
	if newLimiter(0) != nil {
		t.Error("a limit of 0 is none")
	}
}

// Addresses by the million do not use up what is another's, nor memory.
func TestForgedSourcesDoNotStarveAnother(t *testing.T) {
	l := newLimiter(1000)
	victim := netip.MustParseAddr("198.51.100.7")
	heavy := netip.MustParseAddr("198.51.100.8")
	passed := 0
	now, forged := clock.Mono(0), uint32(0)
	for range 1000 {
		now += clock.Mono(time.Millisecond)
		for range 100 {
			forged++
			l.admits(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, forged))), now)
		}
		if !l.admits(victim, now) {
			t.Fatal("a source within its limit is refused")
		}
		for range 10 {
			if l.admits(heavy, now) {
				passed++
			}
		}
	}
	// It has spent more than the forged ones, so it keeps its bucket.
	if passed > 2100 {
		t.Errorf("%d of another source in a second, want about 2000", passed)
	}
}

func TestRateLimitComesFirst(t *testing.T) {
	f := newFakeFlow(t, Stamp{RateLimit: 2, Keys: [][]byte{[]byte(testKey)}})
	wrong := stampPacket(t, stampProbe{key: "another", t1: t2})
	for range 10 {
		f.give(packetio.Packet{Data: wrong})
	}
	f.give(packetio.Packet{Data: wrong, Remote: netip.MustParseAddrPort("192.0.2.1:9")}) // the same host
	f.counts(selfstats.ProbesForged, 2)
	f.counts(selfstats.ProbesRateLimited, 9)
	f.give(packetio.Packet{Data: wrong, Remote: netip.MustParseAddrPort("192.0.2.2:9")})
	f.counts(selfstats.ProbesForged, 3)
}

func TestErrorEstimateFollowsTheClock(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	state := clock.Error{Bound: 3 * time.Millisecond, Synchronised: true}
	f.estimate.readError = func() clock.Error { return state }
	now := clock.MonoNow().Add(2 * estimating)
	f.clean(now)
	p, _ := f.giveProbe(stampProbe{})
	if e := p.ErrorEstimate; !e.Synchronised() || e.Bound() < state.Bound || e.Bound() > state.Bound+state.Bound/100 {
		t.Errorf("error estimate %v, synchronised %t, want %v", e.Bound(), e.Synchronised(), state.Bound)
	}
	state = clock.Error{Bound: 16 * time.Second}
	f.clean(now.Add(estimating - 1))
	if p, _ := f.giveProbe(stampProbe{seq: 1, t1: t2 + 1}); !p.ErrorEstimate.Synchronised() {
		t.Error("asked for again before a second was over")
	}
	f.clean(now.Add(estimating))
	if p, _ := f.giveProbe(stampProbe{seq: 2, t1: t2 + 2}); p.ErrorEstimate.Synchronised() || p.ErrorEstimate.Bound() < state.Bound {
		t.Errorf("error estimate %v, synchronised %t, want %v and not", p.ErrorEstimate.Bound(), p.ErrorEstimate.Synchronised(), state.Bound)
	}
}
