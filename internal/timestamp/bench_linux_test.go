package timestamp

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// What does it cost to read what the kernel tells of a packet?
func BenchmarkParseControl(b *testing.B) {
	in := control(nil, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, wide(second, nanos))
	in = control(in, unix.IPPROTO_IP, unix.IP_PKTINFO, pktinfo(netip.MustParseAddr("192.0.2.1"), 1))
	in = control(in, unix.IPPROTO_IP, unix.IP_TTL, word32(255))
	in = control(in, unix.IPPROTO_IP, unix.IP_TOS, []byte{184})
	b.ReportAllocs()
	for b.Loop() {
		if c := ParseControl(in); c.TTL != 255 {
			b.Fatal(c)
		}
	}
}
