//go:build !linux

package privilege

import (
	"errors"
	"fmt"
)

// errUnsupported says what this system has no call for.
var errUnsupported = errors.New("only on Linux")

// Identity is the user and the groups to run as. The zero Identity is whoever the process is already,
// and the only one on this system.
type Identity struct{}

func lookupIdentity(user, group string) (Identity, error) {
	if user != "" {
		return Identity{}, fmt.Errorf("user %q: %w", user, errUnsupported)
	}
	if group != "" {
		return Identity{}, fmt.Errorf("group %q: %w", group, errUnsupported)
	}
	return Identity{}, nil
}

func (Identity) become() error { return nil }

func dropCapabilities() []error { return nil } // there are none

func unlimitLockedMemory() error {
	return fmt.Errorf("no limit of locked memory: %w", errUnsupported)
}

func lockMemory() error {
	return fmt.Errorf("lock memory: %w", errUnsupported)
}

func leaveFileSystem() error { return fmt.Errorf("no access to files: %w", errUnsupported) }

func filterSystemCalls() error { return fmt.Errorf("no other system calls: %w", errUnsupported) }
