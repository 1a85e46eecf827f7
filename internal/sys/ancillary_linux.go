package sys

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// CmsgHeader is the size of struct cmsghdr with its padding: where a control message's data begins.
var CmsgHeader = unix.CmsgLen(0)

// Ancillary is what a datagram is sent with besides its payload and destination, as control messages
// (cmsg(3)). Zero fields are left to the kernel and cost nothing.
type Ancillary struct {
	// From becomes the packet's source address (IP_PKTINFO in ip(7), IPV6_PKTINFO in ipv6(7)); it must
	// be of the destination's family.
	From netip.Addr
	TOS  uint8 // the IPv4 TOS or IPv6 Traffic Class octet (IP_TOS, since Linux 3.13; IPV6_TCLASS)
	TTL  uint8 // or hop limit (IP_TTL, since Linux 3.13; IPV6_HOPLIMIT)
	// Stamp asks for a software transmit timestamp of this packet (SO_TIMESTAMPING as a control message,
	// since Linux 4.6: Documentation/networking/timestamping.rst, section 1.3.4).
	Stamp bool
}

// put writes the control messages for a packet of one family and returns their length.
func (a *Ancillary) put(buf *[ControlSize]byte, ip4 bool) int {
	n := putSource(buf[:], a.From)
	if a.TOS != 0 {
		n += putMark(buf[n:], ip4, unix.IP_TOS, unix.IPV6_TCLASS, a.TOS)
	}
	if a.TTL != 0 {
		n += putMark(buf[n:], ip4, unix.IP_TTL, unix.IPV6_HOPLIMIT, a.TTL)
	}
	if a.Stamp {
		// The number of the variant with 32-bit times does for all: here it carries none.
		n += putInt(buf[n:], unix.SOL_SOCKET, unix.SO_TIMESTAMPING, unix.SOF_TIMESTAMPING_TX_SOFTWARE)
	}
	return n
}

// putMark writes an octet of the IP header, which has a message of its own in each family.
func putMark(buf []byte, ip4 bool, kind4, kind6 int, value uint8) int {
	if ip4 {
		return putInt(buf, unix.IPPROTO_IP, kind4, uint32(value))
	}
	return putInt(buf, unix.IPPROTO_IPV6, kind6, uint32(value))
}

// putSource writes the control message that makes from a packet's source address and returns its
// length in buf; 0 when from is not valid.
//
//	struct in_pktinfo  { int ifindex; struct in_addr spec_dst; struct in_addr addr; };
//	struct in6_pktinfo { struct in6_addr addr; unsigned int ifindex; };
func putSource(buf []byte, from netip.Addr) int {
	switch {
	case from.Is4():
		data := putHeader(buf, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		a := from.As4()
		clear(data)
		copy(data[4:8], a[:])
		return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	case from.Is6():
		data := putHeader(buf, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		a := from.As16()
		copy(data, a[:])
		binary.NativeEndian.PutUint32(data[16:], uint32(ScopeID(from)))
		return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	return 0
}

// putInt writes a control message that holds a C int and returns its length in buf.
func putInt(buf []byte, level, kind int, value uint32) int {
	binary.NativeEndian.PutUint32(putHeader(buf, level, kind, 4), value)
	return unix.CmsgSpace(4)
}

// putHeader writes a cmsghdr { size_t len; int level; int type; } and returns the room for its data.
func putHeader(buf []byte, level, kind, size int) []byte {
	word := CmsgHeader - 8
	if word == 8 {
		binary.NativeEndian.PutUint64(buf, uint64(unix.CmsgLen(size)))
	} else {
		binary.NativeEndian.PutUint32(buf, uint32(unix.CmsgLen(size)))
	}
	binary.NativeEndian.PutUint32(buf[word:], uint32(level))
	binary.NativeEndian.PutUint32(buf[word+4:], uint32(kind))
	return buf[CmsgHeader : CmsgHeader+size]
}
