package privilege

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

func unlimitLockedMemory() error {
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited); err != nil {
		return fmt.Errorf("no limit of locked memory (needs CAP_SYS_RESOURCE; the limit is %s): %w",
			lockedMemoryLimit(), os.NewSyscallError("setrlimit", err))
	}
	return nil
}

// lockMemory tries only where no limit can bite: mlockall(2) with MCL_FUTURE makes every later mmap(2)
// and stack that would go past the limit fail, and the Go runtime ends the process when that happens
// to it. What counts is the size of the address space, of which the runtime reserves 1.2 GB on amd64.
//
// MCL_ONFAULT (Linux 4.4), because without it the kernel fills all writable mappings at once, such as
// the 64 MB arena of the Go heap: a program that does nothing takes 46 MB instead of 2.3 MB (amd64, Go
// 1.26, November 2026).
func lockMemory() error {
	limit := lockedMemoryLimit()
	if limit != unlimitedMemory && !holds(cap.IPC_LOCK) {
		return fmt.Errorf("lock memory: the limit is %s, and without CAP_IPC_LOCK there must be none (RLIMIT_MEMLOCK)", limit)
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("lock memory: %w", os.NewSyscallError("mlockall", err))
	}
	return nil
}

// memorySize is a limit as people write it.
type memorySize uint64

const unlimitedMemory memorySize = unix.RLIM_INFINITY

func (s memorySize) String() string {
	if s == unlimitedMemory {
		return "unlimited"
	}
	return fmt.Sprintf("%d KiB", uint64(s)>>10)
}

// lockedMemoryLimit returns 0 if there is no answer, which does not happen with these arguments.
func lockedMemoryLimit() memorySize {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return 0
	}
	return memorySize(limit.Cur)
}
