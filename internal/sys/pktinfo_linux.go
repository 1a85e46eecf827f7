package sys

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// CmsgHeader is the size of struct cmsghdr with its padding: where a control message's data begins.
var CmsgHeader = unix.CmsgLen(0)

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
