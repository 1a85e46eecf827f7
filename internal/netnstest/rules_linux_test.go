package netnstest

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

var toPort = []string{"-p", "udp", "--dport", fmt.Sprint(port)}

// sendNumbers sends datagrams 0 to n-1, each with its number in it.
func sendNumbers(t *testing.T, from *net.UDPConn, to netip.Addr, n int) {
	t.Helper()
	for i := range n {
		if _, err := from.WriteToUDPAddrPort([]byte{byte(i)}, netip.AddrPortFrom(to, port)); err != nil {
			t.Fatal(err)
		}
	}
}

// wantNumbers fails the test unless just these datagrams come next.
func wantNumbers(t *testing.T, conn *net.UDPConn, want []byte) {
	t.Helper()
	var got []byte
	buf := make([]byte, 16)
	for range want {
		if _, err := conn.Read(buf); err != nil {
			t.Fatalf("after %d datagrams: %v", len(got), err)
		}
		got = append(got, buf[0])
	}
	if !slices.Equal(got, want) {
		t.Errorf("received %v, want %v", got, want)
	}
}

func TestDropEndsAfterItsCount(t *testing.T) {
	tests := []struct {
		name                string
		every, first, count int
		want                []byte // those of 12 datagrams that are dropped
	}{
		{"all until five are gone", 1, 0, 5, []byte{0, 1, 2, 3, 4}},
		{"one", 1, 0, 1, []byte{0}},
		{"every third until three are gone", 3, 1, 3, []byte{1, 4, 7}},
		{"more than there are", 4, 0, 20, []byte{0, 4, 8}},
	}
	lab := New(t)
	link := lab.Link(lab.Host("a"), lab.Host("b"))
	for _, p := range pairs() {
		for _, tt := range tests {
			t.Run(p.name+"/"+tt.name, func(t *testing.T) {
				a := listen(t, link.A.Host, p.addr(link.A))
				b := listen(t, link.B.Host, p.addr(link.B))
				loss := Loss{Every: tt.every, First: tt.first, Count: tt.count, IPv6: p.ipv6, Match: toPort}
				drop := link.B.Host.Drop(t, loss)
				const sent = 12
				sendNumbers(t, a, p.addr(link.B), sent)
				var want []byte
				for i := range byte(sent) {
					if !slices.Contains(tt.want, i) {
						want = append(want, i)
					}
				}
				wantNumbers(t, b, want)
				if n := drop.Dropped(t); n != len(tt.want) {
					t.Errorf("Dropped() = %d, want %d", n, len(tt.want))
				}
				if err := ping(b, a); err != nil { // the other direction
					t.Errorf("b to a: %v", err)
				}
				drop.Remove(t)
				if err := ping(a, b); err != nil {
					t.Errorf("after Remove: %v", err)
				}
			})
		}
	}
}

func TestRemarkChangesTheBitsOfItsMask(t *testing.T) {
	tests := []struct {
		name            string
		sent, tos, mask uint8
		want            uint8
	}{
		{"another DSCP", 46<<2 | 1, 10 << 2, 0xfc, 10<<2 | 1},
		{"no DSCP", 46<<2 | 2, 0, 0xfc, 2},
		{"congestion experienced", 46<<2 | 2, 3, 0x03, 46<<2 | 3},
		{"the whole octet", 46<<2 | 2, 0x21, 0xff, 0x21},
	}
	lab := New(t)
	link := lab.Link(lab.Host("a"), lab.Host("b"))
	for _, p := range pairs() {
		for _, tt := range tests {
			t.Run(p.name+"/"+tt.name, func(t *testing.T) {
				a := listen(t, link.A.Host, p.addr(link.A))
				b := listen(t, link.B.Host, p.addr(link.B))
				setTOS(t, a, p.ipv6, tt.sent)
				remark := link.B.Host.Remark(t, Remarking{TOS: tt.tos, Mask: tt.mask, IPv6: p.ipv6, Match: toPort})
				if got := receivedTOS(t, a, b, p.ipv6); got != tt.want {
					t.Errorf("octet %#x arrived as %#x, want %#x", tt.sent, got, tt.want)
				}
				if n := remark.Remarked(t); n != 1 {
					t.Errorf("Remarked() = %d, want 1", n)
				}
				remark.Remove(t)
				if got := receivedTOS(t, a, b, p.ipv6); got != tt.sent {
					t.Errorf("after Remove octet %#x arrived as %#x", tt.sent, got)
				}
			})
		}
	}
}

func setTOS(t *testing.T, conn *net.UDPConn, ip6 bool, tos uint8) {
	t.Helper()
	var err error
	if ip6 {
		err = ipv6.NewPacketConn(conn).SetTrafficClass(int(tos))
	} else {
		err = ipv4.NewPacketConn(conn).SetTOS(int(tos))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// receivedTOS sends a datagram and returns the octet that it arrives with.
func receivedTOS(t *testing.T, from, to *net.UDPConn, ip6 bool) uint8 {
	t.Helper()
	level, option := unix.IPPROTO_IP, unix.IP_RECVTOS
	if ip6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS
	}
	raw, err := to.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	sendNumbers(t, from, to.LocalAddr().(*net.UDPAddr).AddrPort().Addr(), 1)
	buf, control := make([]byte, 16), make([]byte, 128)
	_, n, _, _, err := to.ReadMsgUDPAddrPort(buf, control)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d control messages, %v, want one", len(messages), err)
	}
	if ip6 {
		return uint8(binary.NativeEndian.Uint32(messages[0].Data))
	}
	return messages[0].Data[0]
}
