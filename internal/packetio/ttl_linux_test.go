package packetio

import (
	"fmt"
	"net/netip"
	"testing"
)

// Whatever TTL the socket has by itself just then, packets leave with theirs.
func TestPacketsLeaveWithTheirTTLWhicheverIsUsual(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			local := netip.AddrPortFrom(netip.MustParseAddr(ip), 0)
			from, to := openConn(t, local, Options{}), openConn(t, local, Options{Marks: true})
			system := exchange(t, from, to, 1, 0)
			for _, step := range []struct {
				packets int
				ttl     uint8
			}{
				{usual + 3, 17}, {1, 9}, {1, 17}, {1, 0}, {usual, 0}, {1, 17}, {1, 0}, {usual, 9}, {2, 17}, {usual, 9}, {1, 0},
			} {
				want := step.ttl
				if want == 0 {
					want = system
				}
				if got := exchange(t, from, to, step.packets, step.ttl); got != want {
					t.Errorf("%d packets with TTL %d arrived with %d, want %d", step.packets, step.ttl, got, want)
				}
			}
		})
	}
}

// A packet with the system's TTL in the middle of a batch takes back what was the socket's own before.
func TestTTLsMayDifferWithinABatch(t *testing.T) {
	local := netip.MustParseAddrPort("127.0.0.1:0")
	from, to := openConn(t, local, Options{}), openConn(t, local, Options{Marks: true})
	system := exchange(t, from, to, 1, 0)
	exchange(t, from, to, 2*usual, 17)
	var sent []Packet
	for _, ttl := range []uint8{17, 0, 9, 17} {
		sent = append(sent, Packet{Data: []byte("x"), Remote: to.LocalAddr(), TTL: ttl})
	}
	if n, err := from.WriteBatch(sent); n != len(sent) || err != nil {
		t.Fatalf("WriteBatch = %d, %v", n, err)
	}
	got := make([]Packet, len(sent))
	if n, err := to.ReadBatch(got); n != len(sent) || err != nil {
		t.Fatalf("ReadBatch = %d, %v", n, err)
	}
	for i, want := range []uint8{17, system, 9, 17} {
		if got[i].TTL != want {
			t.Errorf("packet %d arrived with TTL %d, want %d", i, got[i].TTL, want)
		}
	}
}

func openConn(t *testing.T, local netip.AddrPort, o Options) *LinuxConn {
	t.Helper()
	o.MaxSize, o.Batch = 100, 16
	conn, _, err := ListenUDP(local, o)
	if err != nil {
		t.Skipf("needs the address %s: %v", local.Addr(), err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// exchange sends packets one by one and returns the TTL that they all arrive with.
func exchange(t *testing.T, from, to *LinuxConn, packets int, ttl uint8) (arrived uint8) {
	t.Helper()
	for i := range packets {
		sent := []Packet{{Data: fmt.Append(nil, i), Remote: to.LocalAddr(), TTL: ttl}}
		if n, err := from.WriteBatch(sent); n != 1 || err != nil {
			t.Fatalf("WriteBatch = %d, %v", n, err)
		}
		got := make([]Packet, 2)
		if n, err := to.ReadBatch(got); n != 1 || err != nil {
			t.Fatalf("ReadBatch = %d, %v", n, err)
		}
		if i > 0 && got[0].TTL != arrived {
			t.Errorf("packet %d arrived with TTL %d, those before with %d", i, got[0].TTL, arrived)
		}
		arrived = got[0].TTL
	}
	return arrived
}
