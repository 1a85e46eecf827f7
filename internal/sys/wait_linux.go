package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of this file block without telling the Go scheduler, so the thread keeps its P (GOMAXPROCS).
// Told, as by package unix, the scheduler's monitor looks after the thread every few tens of µs and takes the
// P away: that is several wake-ups of another thread for each of this one, and a P to be found again when a
// slot is due. The price is that nobody else can have the P: they are for short waits of threads that have
// one to themselves. The signal by which the runtime stops a thread, for a garbage collection say, ends
// them.

// EpollWaitShort is epoll_wait(2) with a timeout in milliseconds. EINTR is an error like others. It does not
// allocate.
func EpollWaitShort(fd int, events []unix.EpollEvent, timeout int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), uintptr(timeout), 0, 0)
	return count(n, errno), errno
}

// SleepShort sleeps until the time nanos of CLOCK_MONOTONIC, or until a signal comes (clock_nanosleep(2)).
func SleepShort(nanos int64) {
	until := unix.NsecToTimespec(nanos)
	_, _, _ = unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME,
		uintptr(unsafe.Pointer(&until)), 0, 0, 0)
}
