package rtthread

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func setUp(o Options) []error {
	var refused []error
	if o.Name != "" {
		_ = os.WriteFile("/proc/thread-self/comm", []byte(o.Name), 0) // nothing depends on it
	}
	// The default slack of 50 µs lets the kernel be that late with every timer (prctl(2)).
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		refused = append(refused, fmt.Errorf("timer slack of 1 ns: %w", os.NewSyscallError("prctl", err)))
	}
	if o.CPU >= 0 {
		var set unix.CPUSet
		set.Set(o.CPU)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			refused = append(refused, fmt.Errorf("pin to cpu %d: %w", o.CPU, os.NewSyscallError("sched_setaffinity", err)))
		}
	}
	if o.Priority > 0 {
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: uint32(o.Priority)}
		if !o.Inherit {
			attr.Flags = unix.SCHED_FLAG_RESET_ON_FORK
		}
		if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
			refused = append(refused, fmt.Errorf("SCHED_FIFO priority %d (needs CAP_SYS_NICE): %w", o.Priority,
				os.NewSyscallError("sched_setattr", err)))
		}
	}
	return refused
}

func demote(keep []string) error {
	for {
		demoted, err := demoteOnce(keep)
		if err != nil || demoted == 0 {
			return err
		}
	}
}

// demoteOnce gives the threads that there are the default policy, and returns how many had another one:
// they may have started some more with it meanwhile.
func demoteOnce(keep []string) (demoted int, err error) {
	files, err := filepath.Glob("/proc/self/task/*/comm")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		name, err := os.ReadFile(file)
		if err != nil || slices.Contains(keep, strings.TrimSuffix(string(name), "\n")) {
			continue // it has ended, or is to keep what it has
		}
		tid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		attr, err := unix.SchedGetAttr(tid, 0)
		if err != nil || attr.Policy == unix.SCHED_NORMAL {
			continue
		}
		attr = &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}
		if err := unix.SchedSetAttr(tid, attr, 0); err != nil {
			return demoted, fmt.Errorf("default policy of thread %d: %w", tid, os.NewSyscallError("sched_setattr", err))
		}
		demoted++
	}
	return demoted, nil
}
