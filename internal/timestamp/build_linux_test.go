package timestamp

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"golang.org/x/sys/unix"
)

// control puts one control message after others, laid out as this machine's kernel would:
//
//	struct cmsghdr { size_t len; int level; int type; };
func control(before []byte, level, kind int, data []byte) []byte {
	m := make([]byte, unix.CmsgSpace(len(data)))
	word := bits.UintSize / 8
	if word == 8 {
		binary.NativeEndian.PutUint64(m, uint64(unix.CmsgLen(len(data))))
	} else {
		binary.NativeEndian.PutUint32(m, uint32(unix.CmsgLen(len(data))))
	}
	binary.NativeEndian.PutUint32(m[word:], uint32(level))
	binary.NativeEndian.PutUint32(m[word+4:], uint32(kind))
	copy(m[unix.CmsgLen(0):], data)
	return append(before, m...)
}

// wide is a struct __kernel_timespec: two 64-bit words.
func wide(seconds, nanos int64) []byte {
	b := binary.NativeEndian.AppendUint64(nil, uint64(seconds))
	return binary.NativeEndian.AppendUint64(b, uint64(nanos))
}

// narrow is a struct timespec of a 32-bit kernel older than 5.1.
func narrow(seconds, nanos int32) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(seconds))
	return binary.NativeEndian.AppendUint32(b, uint32(nanos))
}

// pktinfo is a struct in_pktinfo or in6_pktinfo.
func pktinfo(ip netip.Addr, index uint32) []byte {
	if ip.Is4() {
		b := binary.NativeEndian.AppendUint32(nil, index)
		b = append(b, ip.AsSlice()...)
		return append(b, 9, 9, 9, 9) // the header's destination address, which may be a broadcast one
	}
	return binary.NativeEndian.AppendUint32(ip.AsSlice(), index)
}

// extendedError is a struct sock_extended_err with the offender's address behind it.
func extendedError(errno unix.Errno, origin uint8, data uint32) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(errno))
	b = append(b, origin, 0, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint32(b, data)
	return append(b, make([]byte, unix.SizeofSockaddrInet4)...)
}

func word32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
