package reflector

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

func TestReplyComesFromTheAddressThatWasProbed(t *testing.T) {
	c := testConfig(netip.IPv4Unspecified())
	eachWith(t, c, func(r *rig) {
		for _, ip := range []string{"127.0.0.1", "127.0.0.2", "127.9.8.7"} {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			to := netip.AddrPortFrom(netip.MustParseAddr(ip), r.udp.Port())
			for _, data := range [][]byte{append(probe(1).bytes(), "<stamp?>"...), stampPacket(t, stampProbe{})} {
				if _, err := conn.WriteToUDPAddrPort(data, to); err != nil {
					t.Fatal(err)
				}
				_ = conn.SetReadDeadline(time.Now().Add(waittest.Patience()))
				_, from, err := conn.ReadFromUDPAddrPort(make([]byte, 1500))
				if err != nil || from != to {
					r.Errorf("reply from %v, %v, want from %v", from, err, to)
				}
			}
		}
	})
}

// Whoever probed us and went away is none of our business.
func TestUnreachableProberDoesNotWakeTheReflector(t *testing.T) {
	r := newRig(t, epoll, testConfig(loopback))
	for i := range 3 {
		gone := r.client()
		gone.send(probe(i).bytes())
		_ = gone.conn.Close()
		r.driveTo(selfstats.ProbesReflected, uint64(i+1))
		if n, err := r.poller.Wait(clock.MonoNow(), r.ready[:]); n != 0 || err != nil {
			t.Errorf("Wait = %+v, %v, want nothing ready", r.ready[:n], err)
		}
	}
	r.counts(selfstats.Unreachable, 0)
	r.counts(selfstats.ReflectFailed, 0)
}
