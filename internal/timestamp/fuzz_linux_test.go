package timestamp

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzParseControl feeds both parsers what no kernel writes. They must neither panic nor read behind
// the end: what is there must not make a difference.
func FuzzParseControl(f *testing.F) {
	stamp := control(nil, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, wide(second, nanos))
	f.Add(stamp)
	f.Add(stamp[:len(stamp)-1])
	f.Add(control(stamp, unix.IPPROTO_IP, unix.IP_PKTINFO, pktinfo(netip.MustParseAddr("192.0.2.1"), 1)))
	f.Add(control(stamp, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, pktinfo(netip.MustParseAddr("fe80::1"), 1)))
	f.Add(control(stamp, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, word32(1)))
	f.Add(control(control(stamp, unix.IPPROTO_IP, unix.IP_TOS, []byte{184}), unix.IPPROTO_IP, unix.IP_TTL, word32(255)))
	f.Add(control(control(stamp, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, word32(184)), unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, word32(255)))
	f.Add(control(stamp, unix.IPPROTO_IP, unix.IP_RECVERR, extendedError(unix.ENOMSG, unix.SO_EE_ORIGIN_TIMESTAMPING, 42)))
	f.Add(control(nil, unix.SOL_SOCKET, optTimestamp, wide(second, nanos)))
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, in []byte) {
		zeros := append(append([]byte{}, in...), make([]byte, 256)...)[:len(in)]
		ones := append(append([]byte{}, in...), bytes.Repeat([]byte{0xff}, 256)...)[:len(in)]
		if a, b := ParseControl(zeros), ParseControl(ones); a != b {
			t.Errorf("ParseControl(%x) reads behind the end: %+v or %+v", in, a, b)
		}
		if a, b := ParseQueueEntry(zeros), ParseQueueEntry(ones); a != b {
			t.Errorf("ParseQueueEntry(%x) reads behind the end: %+v or %+v", in, a, b)
		}
	})
}
