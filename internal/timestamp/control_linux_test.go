package timestamp

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	second = 1768219134
	nanos  = 587069267
	at     = second*1_000_000_000 + nanos
)

func TestParseControl(t *testing.T) {
	v4, v6, local := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fe80::1")
	stamp := control(nil, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, wide(second, nanos))
	tests := []struct {
		name string
		in   []byte
		want Control
	}{
		{"nothing", nil, Control{}},
		{"a timestamp", stamp, Control{At: at}},
		{"a timestamp of the 64-bit variant", control(nil, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, wide(second, nanos)), Control{At: at}},
		{"a timestamp of 32-bit words", control(nil, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, narrow(second, nanos)), Control{At: at}},
		{"a timestamp after 2038", control(nil, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, wide(1<<32, 1)), Control{At: 1<<32*1_000_000_000 + 1}},
		{"a timestamp that is cut", control(nil, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, wide(second, nanos)[:7]), Control{}},
		{
			"everything, with messages in between that we do not know",
			control(control(control(control(control(stamp,
				unix.SOL_SOCKET, unix.SO_RXQ_OVFL, word32(17)),
				unix.IPPROTO_IP, unix.IP_TTL, word32(64)),
				unix.IPPROTO_IP, unix.IP_PKTINFO, pktinfo(v4, 2)),
				unix.SOL_SOCKET, 12345, nil),
				unix.SOL_IPV6, 12345, make([]byte, 33)),
			Control{At: at, Overflow: 17, Local: v4, TTL: 64},
		},
		{"an IPv6 address without its interface", control(stamp, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, pktinfo(v6, 2)), Control{At: at, Local: v6}},
		{"a link-local address with its interface", control(nil, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, pktinfo(local, 2)), Control{Local: local.WithZone("2")}},
		{"packet information that is cut", control(nil, unix.IPPROTO_IP, unix.IP_PKTINFO, pktinfo(v4, 2)[:11]), Control{}},
		{"IPv6 packet information that is cut", control(nil, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, pktinfo(v6, 2)[:19]), Control{}},
		{"an overflow count that is cut", control(nil, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, word32(17)[:3]), Control{}},
		{"an IPv4 TOS", control(nil, unix.IPPROTO_IP, unix.IP_TOS, []byte{0xb9}), Control{TOS: 0xb9}},
		{"an IPv4 TOS that is cut", control(nil, unix.IPPROTO_IP, unix.IP_TOS, nil), Control{}},
		{"an IPv4 TTL", control(nil, unix.IPPROTO_IP, unix.IP_TTL, word32(255)), Control{TTL: 255}},
		{"an IPv4 TTL that is cut", control(nil, unix.IPPROTO_IP, unix.IP_TTL, word32(255)[:3]), Control{}},
		{"an IPv6 traffic class", control(nil, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, word32(0xb9)), Control{TOS: 0xb9}},
		{"an IPv6 traffic class that is cut", control(nil, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, word32(0xb9)[:3]), Control{}},
		{"an IPv6 hop limit", control(nil, unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, word32(255)), Control{TTL: 255}},
		{"an IPv6 hop limit that is cut", control(nil, unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, word32(255)[:3]), Control{}},
		{"the numbers of a timestamp at another level", control(nil, unix.IPPROTO_IP, unix.SO_TIMESTAMPNS, wide(second, nanos)), Control{}},
		{"a message behind the end", stamp[:len(stamp)-1], Control{}},
		{"a header that is cut", append(stamp[:len(stamp):len(stamp)], stamp[:unix.CmsgLen(0)-1]...), Control{At: at}},
		{"a length shorter than the header", append(stamp[:len(stamp):len(stamp)], make([]byte, unix.CmsgLen(0))...), Control{At: at}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ParseControl(tt.in); got != tt.want {
				t.Errorf("ParseControl(%x) = %+v, want %+v", tt.in, got, tt.want)
			}
		})
	}
}

func TestParseQueueEntry(t *testing.T) {
	// struct scm_timestamping: the software timestamp, one that is not used any more, the hardware's.
	stamps := append(append(wide(second, nanos), wide(0, 0)...), wide(1, 2)...)
	sent := control(nil, unix.SOL_SOCKET, optTimestamp, stamps)
	tests := []struct {
		name string
		in   []byte
		want QueueEntry
	}{
		{"nothing", nil, QueueEntry{}},
		{
			"a transmit timestamp",
			control(sent, unix.IPPROTO_IP, unix.IP_RECVERR, extendedError(unix.ENOMSG, unix.SO_EE_ORIGIN_TIMESTAMPING, 42)),
			QueueEntry{Transmitted: at, ID: 42},
		},
		{
			"a transmit timestamp over IPv6, the other way round",
			append(control(nil, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, extendedError(unix.ENOMSG, unix.SO_EE_ORIGIN_TIMESTAMPING, 42)), sent...),
			QueueEntry{Transmitted: at, ID: 42},
		},
		{
			"an ICMP error",
			control(nil, unix.IPPROTO_IP, unix.IP_RECVERR, extendedError(unix.ECONNREFUSED, unix.SO_EE_ORIGIN_ICMP, 0)),
			QueueEntry{Errno: unix.ECONNREFUSED},
		},
		{
			"an ICMPv6 error, stamped when it was received",
			control(sent, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, extendedError(unix.EHOSTUNREACH, unix.SO_EE_ORIGIN_ICMP6, 7)),
			QueueEntry{Errno: unix.EHOSTUNREACH},
		},
		{
			"an error of this host",
			control(nil, unix.IPPROTO_IP, unix.IP_RECVERR, extendedError(unix.EMSGSIZE, unix.SO_EE_ORIGIN_LOCAL, 0)),
			QueueEntry{Errno: unix.EMSGSIZE, Local: true},
		},
		{
			"an error that is cut",
			control(nil, unix.IPPROTO_IP, unix.IP_RECVERR, extendedError(unix.EMSGSIZE, unix.SO_EE_ORIGIN_LOCAL, 0)[:15]),
			QueueEntry{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ParseQueueEntry(tt.in); got != tt.want {
				t.Errorf("ParseQueueEntry(%x) = %+v, want %+v", tt.in, got, tt.want)
			}
		})
	}
}

func TestParsingDoesNotAllocate(t *testing.T) {
	for _, ip := range []string{"192.0.2.1", "2001:db8::1", "fe80::1"} {
		addr := netip.MustParseAddr(ip)
		level, kind, tos, ttl := unix.IPPROTO_IP, unix.IP_PKTINFO, unix.IP_TOS, unix.IP_TTL
		if addr.Is6() {
			level, kind, tos, ttl = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.IPV6_TCLASS, unix.IPV6_HOPLIMIT
		}
		in := control(nil, unix.SOL_SOCKET, optTimestampNS, wide(second, nanos))
		in = control(in, level, kind, pktinfo(addr, 12))
		in = control(control(in, level, tos, word32(184)), level, ttl, word32(255))
		if n := testing.AllocsPerRun(100, func() { ParseControl(in); ParseQueueEntry(in) }); n != 0 {
			t.Errorf("parsing the control messages of a packet to %s allocates %v times, want 0", ip, n)
		}
	}
}
