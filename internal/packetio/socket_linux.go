package packetio

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/sys"
)

// try adds what did not work.
func (m *Missing) try(err error) {
	if err != nil {
		*m = append(*m, err)
	}
}

func family(ip netip.Addr) int {
	if ip.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func setInt(fd, level, option, value int, name string) error {
	return os.NewSyscallError("setsockopt "+name, unix.SetsockoptInt(fd, level, option, value))
}

func bind(fd int, local netip.AddrPort) error {
	var sa unix.Sockaddr
	if ip := local.Addr(); ip.Is4() {
		sa = &unix.SockaddrInet4{Port: int(local.Port()), Addr: ip.As4()}
	} else {
		sa = &unix.SockaddrInet6{Port: int(local.Port()), Addr: ip.As16(), ZoneId: uint32(sys.ScopeID(ip))}
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sa))
}

// boundTo asks for the address and port that a socket is bound to.
func boundTo(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, os.NewSyscallError("getsockname", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(sys.WithScope(netip.AddrFrom16(sa.Addr), sa.ZoneId), uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, net.UnknownNetworkError("not an IP socket")
}
