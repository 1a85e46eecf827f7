package sys

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// StreamReader reads from TCP sockets together with the control messages that carry the kernel's
// receive timestamp, which plain read(2) does not give. One serves all sockets of a thread. Not safe
// for concurrent use.
type StreamReader struct {
	hdr     unix.Msghdr
	iov     unix.Iovec
	control [ControlSize]byte
}

// Read receives into p (not empty) from the non-blocking socket fd. The control messages are valid
// until the next Read. It does not block and does not allocate.
func (r *StreamReader) Read(fd int, p []byte) (n int, control []byte, errno unix.Errno) {
	r.iov.Base = unsafe.SliceData(p)
	r.iov.SetLen(len(p))
	r.hdr = unix.Msghdr{Iov: &r.iov, Control: &r.control[0]}
	r.hdr.SetIovlen(1)
	r.hdr.SetControllen(ControlSize)
	got, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.hdr)), unix.MSG_DONTWAIT)
	r.iov.Base = nil // the caller's memory is not ours beyond the call
	if errno != 0 {
		return 0, nil, errno
	}
	return int(got), r.control[:min(int(r.hdr.Controllen), ControlSize)], 0
}

// Write sends p (not empty) on the non-blocking stream socket fd without raising SIGPIPE. It does not
// block and does not allocate.
func Write(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return count(n, errno), errno
}

// Connect starts connecting the non-blocking socket fd (connect(2)); EINPROGRESS is the usual answer.
// It does not block and does not allocate.
func Connect(fd int, to netip.AddrPort) unix.Errno {
	var name rawSockaddr
	n := name.put(to)
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&name[0])), uintptr(n))
	return errno
}

// Disconnect takes a socket's peer away, and its port, if that was chosen by the system (connect(2) to
// AF_UNSPEC). A UDP socket can then be bound anew.
func Disconnect(fd int) unix.Errno {
	var unspecified rawSockaddr // AF_UNSPEC is 0
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&unspecified[0])), SockaddrSize)
	return errno
}

// Accept takes a connection from the non-blocking listening socket fd (accept4(2)) and makes it
// non-blocking. It does not block and does not allocate.
func Accept(fd int) (conn int, from netip.AddrPort, errno unix.Errno) {
	var name rawSockaddr
	n := uint32(SockaddrSize)
	r, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(&n)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, netip.AddrPort{}, errno
	}
	return int(r), name.get(n), 0
}

// TCPInfo reads struct tcp_info of fd (tcp(7)). It does not block and does not allocate when info
// lives on the heap already.
func TCPInfo(fd int, info *unix.TCPInfo) unix.Errno {
	n := uint32(unix.SizeofTCPInfo)
	return getsockopt(fd, unix.IPPROTO_TCP, unix.TCP_INFO, unsafe.Pointer(info), &n)
}

// SocketError reads and clears a socket's pending error (SO_ERROR in socket(7)).
func SocketError(fd int) unix.Errno {
	var value int32
	n := uint32(4)
	if errno := getsockopt(fd, unix.SOL_SOCKET, unix.SO_ERROR, unsafe.Pointer(&value), &n); errno != 0 {
		return errno
	}
	return unix.Errno(value)
}

// SocketDrops reads how many packets a socket has dropped so far for a full receive queue, modulo
// 2^32: SK_MEMINFO_DROPS of SO_MEMINFO (linux/sock_diag.h, since Linux 4.12).
func SocketDrops(fd int) (uint32, unix.Errno) {
	const drops, vars = 8, 9
	var info [vars]uint32
	n := uint32(unsafe.Sizeof(info))
	errno := getsockopt(fd, unix.SOL_SOCKET, unix.SO_MEMINFO, unsafe.Pointer(&info[0]), &n)
	return info[drops], errno
}

func getsockopt(fd, level, name int, value unsafe.Pointer, n *uint32) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(value), uintptr(unsafe.Pointer(n)), 0)
	return errno
}
