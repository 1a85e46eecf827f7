package rtthread

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/sys"
)

func setUp(o Options) []error {
	var refused []error
	if o.Name != "" {
		sys.NameThread(o.Name)
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
