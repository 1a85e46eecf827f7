package timestamp

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/sys"
)

// Control is what the control messages of one received packet say. Zero fields were not there.
type Control struct {
	At       clock.Wall // when the kernel received the packet
	Overflow uint32     // packets dropped so far for a full queue of this socket (SO_RXQ_OVFL); wraps
	Local    netip.Addr // address that the packet was sent to, with the zone of a link-local one
	TOS      uint8      // the IPv4 TOS or IPv6 Traffic Class octet
	TTL      uint8      // or hop limit
}

// ParseControl reads the control messages of a received packet.
func ParseControl(control []byte) Control {
	var c Control
	for len(control) > 0 {
		var m message
		if m, control = next(control); m.data == nil {
			break
		}
		switch {
		case m.is(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, unix.SO_TIMESTAMPNS_NEW):
			c.At = timespec(m.data)
		case m.is(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, unix.SO_RXQ_OVFL) && len(m.data) >= 4:
			c.Overflow = binary.NativeEndian.Uint32(m.data)
		case m.is(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.IP_PKTINFO) && len(m.data) >= unix.SizeofInet4Pktinfo:
			c.Local = netip.AddrFrom4([4]byte(m.data[4:8]))
		case m.is(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.IPV6_PKTINFO) && len(m.data) >= unix.SizeofInet6Pktinfo:
			c.Local = sys.WithScope(netip.AddrFrom16([16]byte(m.data[:16])), binary.NativeEndian.Uint32(m.data[16:]))
		case m.is(unix.IPPROTO_IP, unix.IP_TOS, unix.IP_TOS) && len(m.data) >= 1:
			c.TOS = m.data[0] // the only one that is no int
		case m.is(unix.IPPROTO_IP, unix.IP_TTL, unix.IP_TTL) && len(m.data) >= 4,
			m.is(unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, unix.IPV6_HOPLIMIT) && len(m.data) >= 4:
			c.TTL = uint8(binary.NativeEndian.Uint32(m.data))
		case m.is(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, unix.IPV6_TCLASS) && len(m.data) >= 4:
			c.TOS = uint8(binary.NativeEndian.Uint32(m.data))
		}
	}
	return c
}

// QueueEntry is one entry of a socket's error queue: a transmit timestamp, or an error that came back
// for a packet sent earlier.
type QueueEntry struct {
	Transmitted clock.Wall // the kernel handed packet ID to the driver; 0 when this is an error
	ID          uint32     // number of the packet since EnableTransmit or EnableTransmitSome, for Transmitted
	Errno       unix.Errno // what happened to the packet, when this is an error
	Local       bool       // the error is this host's own, not an ICMP message from the network
}

// ParseQueueEntry reads the control messages of an error queue entry (recverr in ip(7)). Both results
// are zero for an entry of no known kind.
//
//	struct sock_extended_err { u32 errno; u8 origin, type, code, pad; u32 info; u32 data; };
func ParseQueueEntry(control []byte) QueueEntry {
	var e QueueEntry
	var at clock.Wall
	for len(control) > 0 {
		var m message
		if m, control = next(control); m.data == nil {
			break
		}
		switch {
		case m.is(unix.SOL_SOCKET, unix.SO_TIMESTAMPING, unix.SO_TIMESTAMPING_NEW):
			at = timespec(m.data)
		case m.isError() && len(m.data) >= 16:
			e.Errno = unix.Errno(binary.NativeEndian.Uint32(m.data))
			origin := m.data[4]
			e.Local = origin == unix.SO_EE_ORIGIN_LOCAL
			if origin == unix.SO_EE_ORIGIN_TIMESTAMPING {
				e.Errno, e.ID = 0, binary.NativeEndian.Uint32(m.data[12:])
			}
		}
	}
	if e.Errno == 0 {
		e.Transmitted = at
	}
	return e
}

type message struct {
	level, kind int
	data        []byte // nil: there was no whole message
}

func (m message) is(level, kind, wideKind int) bool {
	return m.level == level && (m.kind == kind || m.kind == wideKind)
}

func (m message) isError() bool {
	return m.is(unix.IPPROTO_IP, unix.IP_RECVERR, unix.IP_RECVERR) ||
		m.is(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.IPV6_RECVERR)
}

// next splits the first control message off: struct cmsghdr { size_t len; int level; int type; }.
func next(control []byte) (message, []byte) {
	header := sys.CmsgHeader
	if len(control) < header {
		return message{}, nil
	}
	word := header - 8
	size := uint64(binary.NativeEndian.Uint32(control))
	if word == 8 {
		size = binary.NativeEndian.Uint64(control)
	}
	if size < uint64(header) || size > uint64(len(control)) {
		return message{}, nil
	}
	m := message{
		level: int(int32(binary.NativeEndian.Uint32(control[word:]))),
		kind:  int(int32(binary.NativeEndian.Uint32(control[word+4:]))),
		data:  control[header:size:size],
	}
	return m, control[min(len(control), unix.CmsgSpace(int(size)-header)):]
}

// timespec reads the first struct timespec in data: two 64-bit words, or two 32-bit ones on a 32-bit
// kernel older than 5.1.
func timespec(data []byte) clock.Wall {
	switch {
	case len(data) >= 16:
		return clock.Wall(int64(binary.NativeEndian.Uint64(data))*1e9 + int64(binary.NativeEndian.Uint64(data[8:])))
	case len(data) >= 8:
		return clock.Wall(int64(int32(binary.NativeEndian.Uint32(data)))*1e9 + int64(int32(binary.NativeEndian.Uint32(data[4:]))))
	}
	return 0
}
