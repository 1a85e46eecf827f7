package sys

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// SockaddrSize holds a struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)).
const SockaddrSize = unix.SizeofSockaddrInet6

// rawSockaddr is the bytes of a socket address as the kernel reads and writes them:
//
//	struct sockaddr_in  { u16 family; be16 port; u8 addr[4]; u8 zero[8]; }
//	struct sockaddr_in6 { u16 family; be16 port; be32 flowinfo; u8 addr[16]; u32 scope_id; }
type rawSockaddr [SockaddrSize]byte

// put writes addr and returns the length to pass to the kernel.
func (r *rawSockaddr) put(addr netip.AddrPort) uint32 {
	ip := addr.Addr()
	binary.BigEndian.PutUint16(r[2:], addr.Port())
	if ip.Is4() {
		binary.NativeEndian.PutUint16(r[0:], unix.AF_INET)
		a := ip.As4()
		copy(r[4:8], a[:])
		return unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(r[0:], unix.AF_INET6)
	a := ip.As16()
	clear(r[4:8])
	copy(r[8:24], a[:])
	binary.NativeEndian.PutUint32(r[24:], uint32(ScopeID(ip)))
	return unix.SizeofSockaddrInet6
}

// get reads an address that the kernel wrote with length n; the zero AddrPort for anything else than
// IPv4 and IPv6.
func (r *rawSockaddr) get(n uint32) netip.AddrPort {
	port := binary.BigEndian.Uint16(r[2:])
	switch family := binary.NativeEndian.Uint16(r[0:]); {
	case family == unix.AF_INET && n >= unix.SizeofSockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(r[4:8])), port)
	case family == unix.AF_INET6 && n >= unix.SizeofSockaddrInet6:
		ip := netip.AddrFrom16([16]byte(r[8:24]))
		return netip.AddrPortFrom(WithScope(ip, binary.NativeEndian.Uint32(r[24:])), port)
	}
	return netip.AddrPort{}
}

// ScopeID gives the interface index in the zone of a link-local address: a number, or the name of
// an interface that exists; 0 for none.
func ScopeID(ip netip.Addr) int {
	zone := ip.Zone()
	if zone == "" {
		return 0
	}
	if id, err := strconv.Atoi(zone); err == nil {
		return id
	}
	if ifi, err := net.InterfaceByName(zone); err == nil {
		return ifi.Index
	}
	return 0
}

// WithScope adds a numeric zone to a link-local address. Other addresses are the same whatever
// interface they came through, and stay without one. It allocates for the interfaces numbered 100 and
// up, whose numbers strconv has no ready strings for.
func WithScope(ip netip.Addr, scope uint32) netip.Addr {
	if scope == 0 || !ip.IsLinkLocalUnicast() || ip.Is4() {
		return ip
	}
	return ip.WithZone(strconv.Itoa(int(scope)))
}
