package timestamp

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// What the control messages of a received packet cost: as many as the sockets ask for.
func BenchmarkParseControl(b *testing.B) {
	stamp := control(control(nil, unix.SOL_SOCKET, optTimestampNS, wide(second, nanos)), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, word32(17))
	v4 := control(stamp[:len(stamp):len(stamp)], unix.IPPROTO_IP, unix.IP_PKTINFO, pktinfo(netip.MustParseAddr("192.0.2.1"), 2))
	v4 = control(control(v4, unix.IPPROTO_IP, unix.IP_TOS, []byte{0xb8}), unix.IPPROTO_IP, unix.IP_TTL, word32(255))
	v6 := control(stamp[:len(stamp):len(stamp)], unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, pktinfo(netip.MustParseAddr("2001:db8::1"), 2))
	v6 = control(control(v6, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, word32(0xb8)), unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, word32(255))
	for _, bb := range []struct {
		name string
		in   []byte
	}{{"packet=TCP", stamp}, {"packet=UDPv4", v4}, {"packet=UDPv6", v6}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ParseControl(bb.in).At != at {
					b.Fatal("no timestamp")
				}
			}
		})
	}
}

// What a transmit timestamp costs, beside the system call that fetches it.
func BenchmarkParseQueueEntry(b *testing.B) {
	in := control(nil, unix.SOL_SOCKET, optTimestamp, append(append(wide(second, nanos), wide(0, 0)...), wide(0, 0)...))
	in = control(in, unix.IPPROTO_IP, unix.IP_RECVERR, extendedError(unix.ENOMSG, unix.SO_EE_ORIGIN_TIMESTAMPING, 42))
	b.ReportAllocs()
	for b.Loop() {
		if ParseQueueEntry(in).ID != 42 {
			b.Fatal("no timestamp")
		}
	}
}
