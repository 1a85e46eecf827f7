package privilege

import (
	"fmt"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// The functions of package cap make each system call on all threads: with syscall.AllThreadsSyscall,
// and in a binary with cgo, where that does not work, with signals of their own (libpsx).

func dropCapabilities() []error {
	var refused []error
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		refused = append(refused, fmt.Errorf("no new privileges: prctl: %w", err))
	}
	if err := emptyBoundingSet(); err != nil {
		refused = append(refused, err)
	}
	// The ambient set follows: it never holds what is not both permitted and inheritable.
	if err := cap.NewSet().SetProc(); err != nil {
		refused = append(refused, fmt.Errorf("no capabilities: capset: %w", err))
	}
	return refused
}

// emptyBoundingSet does nothing without CAP_SETPCAP, which it needs.
func emptyBoundingSet() error {
	if !holds(cap.SETPCAP) {
		return nil
	}
	for c := range cap.MaxBits() {
		if err := cap.DropBound(c); err != nil {
			return fmt.Errorf("capability bounding set without %v: prctl: %w", c, err)
		}
	}
	return nil
}

// holds reports whether a capability is in effect.
func holds(c cap.Value) bool {
	held, err := cap.GetProc().GetFlag(cap.Effective, c)
	return err == nil && held
}
