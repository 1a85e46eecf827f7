package sys

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel walks an array of struct mmsghdr by its C size. On 64-bit targets that is 56 octets of
// msghdr, 4 of length, 4 of padding; on 32-bit ones 28 and 4.
func TestMmsghdrHasTheLayoutOfC(t *testing.T) {
	wantSize, wantLen := uintptr(64), uintptr(56)
	if unsafe.Sizeof(uintptr(0)) == 4 {
		wantSize, wantLen = 32, 28
	}
	if got := unsafe.Sizeof(mmsghdr{}); got != wantSize {
		t.Errorf("size of mmsghdr = %d, want %d", got, wantSize)
	}
	if got := unsafe.Offsetof(mmsghdr{}.len); got != wantLen {
		t.Errorf("offset of msg_len = %d, want %d", got, wantLen)
	}
	if got, want := CmsgHeader, 8+int(unsafe.Sizeof(uintptr(0))); got != want {
		t.Errorf("size of cmsghdr = %d, want %d", got, want)
	}
	if got, want := unsafe.Sizeof(rawSockaddr{}), uintptr(unix.SizeofSockaddrInet6); got != want {
		t.Errorf("size of rawSockaddr = %d, want %d", got, want)
	}
}

// Compile-time proof for the targets that tests are only cross-compiled for: one of these arrays has a
// negative length, which does not compile, when mmsghdr is neither 64 octets on 64-bit nor 32 on 32-bit.
const word = unsafe.Sizeof(uintptr(0))

var (
	_ [unsafe.Sizeof(mmsghdr{}) - 8*word]byte
	_ [8*word - unsafe.Sizeof(mmsghdr{})]byte
)

// queued is what the kernel attaches to an entry of the error queue about an IPv6 packet, at most:
// struct timespec and struct scm_timestamping with 64-bit times, struct in6_pktinfo, hop limit and
// traffic class, struct sock_extended_err with a struct sockaddr_in6. A packet received or sent has
// less. The array has a negative length when there is no room for it.
const queued = 6*(8+word) + 16 + 3*16 + (20+word-1)/word*word + 2*((4+word-1)/word*word) + (44+word-1)/word*word

var _ [ControlSize - queued]byte

func TestControlMessagesFit(t *testing.T) {
	want := 0
	for _, size := range []int{16, 3 * 16, unix.SizeofInet6Pktinfo, 4, 4, 16 + unix.SizeofSockaddrInet6} {
		want += unix.CmsgSpace(size)
	}
	if int(queued) != want {
		t.Errorf("control messages of an error queue entry take %d octets, want %d", queued, want)
	}
}
