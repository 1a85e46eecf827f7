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
