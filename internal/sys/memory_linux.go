package sys

import "golang.org/x/sys/unix"

// DropPages has the kernel forget what it has in memory of a mapping of a file, from one address to another
// (MADV_DONTNEED in madvise(2)): what is used again is read again. What was written to there is lost, so it must be
// a mapping that nobody may write to. Memory that is locked can't be dropped: EINVAL.
func DropPages(from, to uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
		return errno
	}
	return nil
}
