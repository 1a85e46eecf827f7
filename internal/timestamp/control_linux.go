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
	// Apart from each other as long as it goes on, so that they stay in registers: this is done for each packet.
	var at clock.Wall
	var overflow uint32
	var local netip.Addr
	var tos, ttl uint8
	for len(control) > 0 {
		var is kind
		var data []byte
		if is, data, control = next(control); data == nil {
			break
		}
		switch is {
		case socketStamp, socketStampWide:
			at = timespec(data)
		case socketOverflow:
			if len(data) >= 4 {
				overflow = binary.NativeEndian.Uint32(data)
			}
		case ip4Local:
			if len(data) >= unix.SizeofInet4Pktinfo {
				local = netip.AddrFrom4([4]byte(data[4:8]))
			}
		case ip6Local:
			if len(data) >= unix.SizeofInet6Pktinfo {
				local = sys.WithScope(netip.AddrFrom16([16]byte(data[:16])), binary.NativeEndian.Uint32(data[16:]))
			}
		case ip4TOS:
			if len(data) >= 1 {
				tos = data[0] // the only one that is no int
			}
		case ip6TOS:
			tos = lowest(data, tos)
		case ip4TTL, ip6TTL:
			ttl = lowest(data, ttl)
		}
	}
	return Control{At: at, Overflow: overflow, Local: local, TOS: tos, TTL: ttl}
}

// lowest is the lowest octet of the C int in data; otherwise if there is none.
func lowest(data []byte, otherwise uint8) uint8 {
	if len(data) < 4 {
		return otherwise
	}
	return uint8(binary.NativeEndian.Uint32(data))
}

// QueueEntry is one entry of a socket's error queue: a transmit timestamp, or an error that came back
// for a packet sent earlier.
type QueueEntry struct {
	Transmitted clock.Wall // the kernel handed packet ID to the driver; 0 when this is an error
	ID          uint32     // number of the packet among those that asked since EnableTransmit, for Transmitted
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
		var is kind
		var data []byte
		if is, data, control = next(control); data == nil {
			break
		}
		switch is {
		case socketTransmitted, socketTransmittedWide:
			at = timespec(data)
		case ip4Error, ip6Error:
			e.readError(data)
		}
	}
	if e.Errno == 0 {
		e.Transmitted = at
	}
	return e
}

// readError reads a struct sock_extended_err.
func (e *QueueEntry) readError(data []byte) {
	if len(data) < 16 {
		return
	}
	e.Errno = unix.Errno(binary.NativeEndian.Uint32(data))
	origin := data[4]
	e.Local = origin == unix.SO_EE_ORIGIN_LOCAL
	if origin == unix.SO_EE_ORIGIN_TIMESTAMPING {
		e.Errno, e.ID = 0, binary.NativeEndian.Uint32(data[12:])
	}
}

// kind is a control message's level and, in the lower half, its type.
type kind uint64

// Kinds that we know. The wide ones are those with 64-bit seconds.
const (
	socketStamp           kind = unix.SOL_SOCKET<<32 | unix.SO_TIMESTAMPNS
	socketStampWide       kind = unix.SOL_SOCKET<<32 | unix.SO_TIMESTAMPNS_NEW
	socketTransmitted     kind = unix.SOL_SOCKET<<32 | unix.SO_TIMESTAMPING
	socketTransmittedWide kind = unix.SOL_SOCKET<<32 | unix.SO_TIMESTAMPING_NEW
	socketOverflow        kind = unix.SOL_SOCKET<<32 | unix.SO_RXQ_OVFL
	ip4Local              kind = unix.IPPROTO_IP<<32 | unix.IP_PKTINFO
	ip4TOS                kind = unix.IPPROTO_IP<<32 | unix.IP_TOS
	ip4TTL                kind = unix.IPPROTO_IP<<32 | unix.IP_TTL
	ip4Error              kind = unix.IPPROTO_IP<<32 | unix.IP_RECVERR
	ip6Local              kind = unix.IPPROTO_IPV6<<32 | unix.IPV6_PKTINFO
	ip6TOS                kind = unix.IPPROTO_IPV6<<32 | unix.IPV6_TCLASS
	ip6TTL                kind = unix.IPPROTO_IPV6<<32 | unix.IPV6_HOPLIMIT
	ip6Error              kind = unix.IPPROTO_IPV6<<32 | unix.IPV6_RECVERR
)

// next splits the first control message off: struct cmsghdr { size_t len; int level; int type; }. data is nil if
// there is no whole one.
func next(control []byte) (is kind, data, rest []byte) {
	header := sys.CmsgHeader
	if len(control) < header {
		return 0, nil, nil
	}
	word := header - 8
	size := uint64(binary.NativeEndian.Uint32(control))
	if word == 8 {
		size = binary.NativeEndian.Uint64(control)
	}
	if size < uint64(header) || size > uint64(len(control)) {
		return 0, nil, nil
	}
	is = kind(binary.NativeEndian.Uint32(control[word:]))<<32 | kind(binary.NativeEndian.Uint32(control[word+4:]))
	return is, control[header:size:size], control[min(len(control), unix.CmsgSpace(int(size)-header)):]
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
