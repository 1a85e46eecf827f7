package rtthread

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// List opens the list of this process's threads, for Demote in a process that may lose the right to
// open it. The caller closes it.
func List() (*os.File, error) { return os.Open("/proc/self/task") }

// Demote gives the default policy to the threads of this process that inherited a real-time one: whoever
// started the process passed it on for those that entered with a Priority, and they keep it.
func Demote(threads *os.File) error {
	for {
		demoted, err := demoteOnce(threads)
		if err != nil || demoted == 0 {
			return err
		}
	}
}

// demoteOnce demotes the threads that there are, and returns how many it were: they may have started
// some more meanwhile.
func demoteOnce(threads *os.File) (demoted int, err error) {
	if _, err := threads.Seek(0, 0); err != nil {
		return 0, err
	}
	names, err := threads.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		tid, err := strconv.Atoi(name)
		if err != nil {
			return demoted, err
		}
		attr, err := unix.SchedGetAttr(tid, 0)
		if err != nil || attr.Policy == unix.SCHED_NORMAL || attr.Flags&unix.SCHED_FLAG_RESET_ON_FORK != 0 {
			continue // it has ended, or is to keep what it has
		}
		attr = &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}
		if err := unix.SchedSetAttr(tid, attr, 0); err != nil {
			return demoted, fmt.Errorf("default policy of thread %d: %w", tid, os.NewSyscallError("sched_setattr", err))
		}
		demoted++
	}
	return demoted, nil
}
