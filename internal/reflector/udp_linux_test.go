package reflector

import (
	"net"
	"net/netip"
	"testing"
	"time"
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
			if _, err := conn.WriteToUDPAddrPort(probe(1).bytes(), to); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(patience()))
			_, from, err := conn.ReadFromUDPAddrPort(make([]byte, 1500))
			if err != nil || from != to {
				r.Errorf("reply from %v, %v, want from %v", from, err, to)
			}
		}
	})
}
