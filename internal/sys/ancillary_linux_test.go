package sys

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// wantMessage is a control message: an int, or a struct whose octets are given.
type wantMessage struct {
	level, kind int
	data        string
}

func octets(value uint32) string { return string(binary.NativeEndian.AppendUint32(nil, value)) }

// The kernel refuses control messages that it does not understand, so the batch and quirk tests hold
// this layout too.
func TestAncillaryIsWrittenAsTheKernelReadsIt(t *testing.T) {
	ip4, ip6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1%1")
	source4 := wantMessage{unix.IPPROTO_IP, unix.IP_PKTINFO, "\x00\x00\x00\x00\xc0\x00\x02\x01\x00\x00\x00\x00"}
	a6 := ip6.As16()
	source6 := wantMessage{unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, string(a6[:]) + octets(1)}
	stamp := wantMessage{unix.SOL_SOCKET, unix.SO_TIMESTAMPING, octets(unix.SOF_TIMESTAMPING_TX_SOFTWARE)}
	tests := []struct {
		name string
		ip4  bool
		in   Ancillary
		want []wantMessage
	}{
		{"nothing", true, Ancillary{}, nil},
		{"an IPv4 source", true, Ancillary{From: ip4}, []wantMessage{source4}},
		{"an IPv6 source", false, Ancillary{From: ip6}, []wantMessage{source6}},
		{"an IPv4 TOS", true, Ancillary{TOS: 0xb8}, []wantMessage{{unix.IPPROTO_IP, unix.IP_TOS, octets(0xb8)}}},
		{"an IPv6 traffic class", false, Ancillary{TOS: 0xb8}, []wantMessage{{unix.IPPROTO_IPV6, unix.IPV6_TCLASS, octets(0xb8)}}},
		{"an IPv4 TTL", true, Ancillary{TTL: 255}, []wantMessage{{unix.IPPROTO_IP, unix.IP_TTL, octets(255)}}},
		{"an IPv6 hop limit", false, Ancillary{TTL: 255}, []wantMessage{{unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, octets(255)}}},
		{"a transmit timestamp", true, Ancillary{Stamp: true}, []wantMessage{stamp}},
		{
			"everything over IPv4", true, Ancillary{From: ip4, TOS: 1, TTL: 2, Stamp: true},
			[]wantMessage{source4, {unix.IPPROTO_IP, unix.IP_TOS, octets(1)}, {unix.IPPROTO_IP, unix.IP_TTL, octets(2)}, stamp},
		},
		{
			"everything over IPv6", false, Ancillary{From: ip6, TOS: 1, TTL: 2, Stamp: true},
			[]wantMessage{
				source6, {unix.IPPROTO_IPV6, unix.IPV6_TCLASS, octets(1)}, {unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, octets(2)}, stamp,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var buf [ControlSize]byte
			for i := range buf {
				buf[i] = 0xff // what was there before must not matter
			}
			messages, err := unix.ParseSocketControlMessage(buf[:tt.in.put(&buf, tt.ip4)])
			if err != nil || len(messages) != len(tt.want) {
				t.Fatalf("%d control messages, %v, want %d", len(messages), err, len(tt.want))
			}
			for i, m := range messages {
				got := wantMessage{int(m.Header.Level), int(m.Header.Type), string(m.Data)}
				if got != tt.want[i] {
					t.Errorf("control message %d = %+v, want %+v", i, got, tt.want[i])
				}
			}
		})
	}
}
