package sys

import (
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr mirrors the kernel's (recvmmsg(2)); golang.org/x/sys/unix has none:
//
//	struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
//
// Go pads it at the end to the alignment of its pointers, as C does: 64 bytes on 64-bit targets, 32 on
// 32-bit ones. The layout test holds both.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// ControlSize is the room for the control messages of one packet. The most that there can be is an
// entry of the error queue about an IPv6 packet: two timestamps, packet information, TOS and TTL, and
// the error with the offender's address, 248 octets on 64-bit targets.
const ControlSize = 320

// RecvBatch receives datagrams with one system call into memory that it allocated once. Not safe for
// concurrent use.
type RecvBatch struct {
	hdrs    []mmsghdr
	iovs    []unix.Iovec
	names   []rawSockaddr
	control [][ControlSize]byte
	payload []byte
	size    int
	single  bool // recvmmsg is not there: one message per call
}

// NewRecvBatch makes a batch of n messages of up to size octets each.
func NewRecvBatch(n, size int) *RecvBatch {
	b := &RecvBatch{
		hdrs: make([]mmsghdr, n), iovs: make([]unix.Iovec, n), names: make([]rawSockaddr, n),
		control: make([][ControlSize]byte, n), payload: make([]byte, n*size), size: size,
	}
	for i := range b.hdrs {
		b.iovs[i].Base = &b.payload[i*size]
		b.iovs[i].SetLen(size)
		h := &b.hdrs[i].hdr
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		h.Name = &b.names[i][0]
		h.Control = &b.control[i][0]
	}
	return b
}

// Recv receives up to limit messages from the non-blocking socket fd. It returns 0 and EAGAIN when
// there is none. It does not block and does not allocate. flags is passed on (MSG_ERRQUEUE).
func (b *RecvBatch) Recv(fd, limit, flags int) (int, unix.Errno) {
	limit = min(limit, len(b.hdrs))
	if limit <= 0 {
		return 0, 0
	}
	for i := range limit {
		h := &b.hdrs[i].hdr
		h.Namelen = SockaddrSize
		h.SetControllen(ControlSize)
	}
	if b.single {
		return b.recvOne(fd, flags)
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[0])),
		uintptr(limit), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
	return count(n, errno), errno
}

// Try asks once, by receiving no message, whether there is recvmmsg. After an error the batch does
// without.
func (b *RecvBatch) Try(fd int) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[0])),
		0, unix.MSG_DONTWAIT, 0, 0)
	b.single = notThere(errno)
	if !b.single {
		return nil
	}
	return os.NewSyscallError("recvmmsg", errno)
}

// notThere tells a system call that the kernel has not, or a sandbox refuses, from one that fails.
func notThere(errno unix.Errno) bool { return errno == unix.ENOSYS || errno == unix.EPERM }

// recvOne is Recv for a kernel or a sandbox without recvmmsg.
func (b *RecvBatch) recvOne(fd, flags int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[0].hdr)),
		uintptr(flags|unix.MSG_DONTWAIT))
	if errno != 0 {
		return 0, errno
	}
	b.hdrs[0].len = uint32(n)
	return 1, 0
}

func count(n uintptr, errno unix.Errno) int {
	if errno != 0 {
		return 0
	}
	return int(n)
}

// Payload is message i as received, valid until the next Recv.
func (b *RecvBatch) Payload(i int) []byte {
	start := i * b.size
	return b.payload[start : start+min(int(b.hdrs[i].len), b.size)]
}

// Control is the control messages of message i (cmsg(3)), valid until the next Recv.
func (b *RecvBatch) Control(i int) []byte {
	return b.control[i][:min(int(b.hdrs[i].hdr.Controllen), ControlSize)]
}

// Name is the address in message i: its source, or for the error queue the address it was sent to.
func (b *RecvBatch) Name(i int) netip.AddrPort {
	return b.names[i].get(b.hdrs[i].hdr.Namelen)
}

// Truncated reports whether message i was longer than the batch's size.
func (b *RecvBatch) Truncated(i int) bool { return b.hdrs[i].hdr.Flags&unix.MSG_TRUNC != 0 }

// SendBatch sends datagrams with one system call. Not safe for concurrent use.
type SendBatch struct {
	hdrs    []mmsghdr
	iovs    []unix.Iovec
	names   []rawSockaddr
	control [][ControlSize]byte
	single  bool
}

// NewSendBatch makes a batch of up to n messages.
func NewSendBatch(n int) *SendBatch {
	b := &SendBatch{
		hdrs: make([]mmsghdr, n), iovs: make([]unix.Iovec, n),
		names: make([]rawSockaddr, n), control: make([][ControlSize]byte, n),
	}
	for i := range b.hdrs {
		h := &b.hdrs[i].hdr
		h.Name = &b.names[i][0]
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
	}
	return b
}

// Cap is how many messages the batch holds.
func (b *SendBatch) Cap() int { return len(b.hdrs) }

// Set makes message i: payload (not empty; kept, not copied, until the next Set) for the address to.
func (b *SendBatch) Set(i int, payload []byte, to netip.AddrPort, a Ancillary) {
	b.iovs[i].Base = unsafe.SliceData(payload)
	b.iovs[i].SetLen(len(payload))
	h := &b.hdrs[i].hdr
	h.Namelen = b.names[i].put(to)
	n := a.put(&b.control[i], to.Addr().Is4())
	h.Control = nil
	if n > 0 {
		h.Control = &b.control[i][0]
	}
	h.SetControllen(n)
}

// Send sends messages first to last-1 on the non-blocking socket fd in order and returns how many the
// kernel took. The error is about the first one that it did not take; the kernel reports it only when
// that is the first of the call, else as a short count. It does not block and does not allocate.
func (b *SendBatch) Send(fd, first, last int) (int, unix.Errno) {
	if first >= last {
		return 0, 0
	}
	if b.single {
		_, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[first].hdr)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		return count(1, errno), errno
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[first])),
		uintptr(last-first), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return count(n, errno), errno
}

// Try asks once, by sending no message, whether there is sendmmsg. After an error the batch does without.
func (b *SendBatch) Try(fd int) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[0])),
		0, unix.MSG_DONTWAIT, 0, 0)
	b.single = notThere(errno)
	if !b.single {
		return nil
	}
	return os.NewSyscallError("sendmmsg", errno)
}
