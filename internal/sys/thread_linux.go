package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// NameThread names the calling thread, for top -H; the kernel cuts the name to 15 octets (PR_SET_NAME in
// prctl(2)). Nothing depends on it, so errors are not told.
func NameThread(name string) {
	text := append([]byte(name), 0)
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&text[0])), 0, 0, 0)
}
