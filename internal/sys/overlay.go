package sys

import (
	"fmt"
	"unsafe"
)

// Overlay gives the start of mem as a T, which must hold no pointers. mem must not lie on the Go heap,
// and stay mapped as long as the T is used. It panics when mem is too short or not aligned for T.
func Overlay[T any](mem []byte) *T { return &OverlaySlice[T](mem, 1)[0] }

// OverlaySlice is Overlay for the first n values of T in mem; n is at least 1.
func OverlaySlice[T any](mem []byte, n int) []T {
	var t T
	start := unsafe.Pointer(unsafe.SliceData(mem))
	if uintptr(len(mem))/unsafe.Sizeof(t) < uintptr(n) || uintptr(start)%unsafe.Alignof(t) != 0 {
		panic(fmt.Sprintf("overlay of %d %T over %d octets at %p", n, t, len(mem), start))
	}
	return unsafe.Slice((*T)(start), n)
}

// SizeOf is the size of a T in octets.
func SizeOf[T any]() int {
	var t T
	return int(unsafe.Sizeof(t))
}
