package sys

import (
	"net"
	"net/netip"
	"testing"
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
