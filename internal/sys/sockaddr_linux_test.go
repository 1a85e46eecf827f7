package sys

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSocketAddressesReadAsWritten(t *testing.T) {
	for _, text := range []string{
		"192.0.2.1:8001", "0.0.0.0:0", "255.255.255.255:65535", "[2001:db8::1]:8001", "[::]:0",
		"[::ffff:192.0.2.1]:80", "[fe80::1%7]:1",
	} {
		addr := netip.MustParseAddrPort(text)
		var raw rawSockaddr
		for i := range raw {
			raw[i] = 0xff // what was there before must not matter
		}
		if got := raw.get(raw.put(addr)); got != addr {
			t.Errorf("%v reads as %v", addr, got)
		}
	}
}

func TestOtherSocketAddressesReadAsZero(t *testing.T) {
	var inet, unknown rawSockaddr
	n := inet.put(netip.MustParseAddrPort("192.0.2.1:80"))
	var inet6 rawSockaddr
	n6 := inet6.put(netip.MustParseAddrPort("[::1]:80"))
	for name, got := range map[string]netip.AddrPort{
		"no address":        inet.get(0),
		"short IPv4":        inet.get(n - 1),
		"short IPv6":        inet6.get(n6 - 1),
		"no family we know": unknown.get(SockaddrSize),
	} {
		if got.IsValid() {
			t.Errorf("%s reads as %v, want no address", name, got)
		}
	}
}

func TestScopeIDUnderstandsNumbersAndNames(t *testing.T) {
	loopback, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skipf("needs an interface lo: %v", err)
	}
	tests := []struct {
		addr string
		want int
	}{
		{"fe80::1", 0},
		{"fe80::1%7", 7},
		{"fe80::1%lo", loopback.Index},
		{"fe80::1%no-such-interface", 0},
		{"192.0.2.1", 0},
	}
	for _, tt := range tests {
		if got := ScopeID(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("ScopeID(%s) = %d, want %d", tt.addr, got, tt.want)
		}
	}
}

func TestWithScopeZonesOnlyLinkLocalAddresses(t *testing.T) {
	tests := []struct {
		addr  string
		scope uint32
		want  string
	}{
		{"fe80::1", 7, "fe80::1%7"},
		{"fe80::1", 0, "fe80::1"},
		{"2001:db8::1", 7, "2001:db8::1"},
		{"169.254.0.1", 7, "169.254.0.1"},
	}
	for _, tt := range tests {
		if got := WithScope(netip.MustParseAddr(tt.addr), tt.scope); got != netip.MustParseAddr(tt.want) {
			t.Errorf("WithScope(%s, %d) = %v, want %s", tt.addr, tt.scope, got, tt.want)
		}
	}
}

// The kernel refuses a source address that it does not understand, so this holds the layout too.
func TestSourceAddressIsWrittenAsTheKernelReadsIt(t *testing.T) {
	buf := make([]byte, ControlSize)
	for i := range buf {
		buf[i] = 0xff
	}
	n := putSource(buf, netip.MustParseAddr("192.0.2.1"))
	messages, err := unix.ParseSocketControlMessage(buf[:n])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d control messages, %v, want one", len(messages), err)
	}
	m := messages[0]
	if m.Header.Level != unix.IPPROTO_IP || m.Header.Type != unix.IP_PKTINFO || string(m.Data) !=
		"\x00\x00\x00\x00\xc0\x00\x02\x01\x00\x00\x00\x00" {
		t.Errorf("IPv4 control message %+v", m)
	}
	n = putSource(buf, netip.MustParseAddr("fe80::1%1"))
	if messages, err = unix.ParseSocketControlMessage(buf[:n]); err != nil || len(messages) != 1 {
		t.Fatalf("%d control messages, %v, want one", len(messages), err)
	}
	m = messages[0]
	if m.Header.Level != unix.IPPROTO_IPV6 || m.Header.Type != unix.IPV6_PKTINFO || len(m.Data) != unix.SizeofInet6Pktinfo ||
		netip.AddrFrom16([16]byte(m.Data)) != netip.MustParseAddr("fe80::1") || m.Data[16]+m.Data[19] != 1 {
		t.Errorf("IPv6 control message %+v", m)
	}
	if n := putSource(buf, netip.Addr{}); n != 0 {
		t.Errorf("no address takes %d octets, want 0", n)
	}
}
