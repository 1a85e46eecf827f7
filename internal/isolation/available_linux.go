package isolation

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Available reports why there can't be an engine process here: no /proc, or a kernel without sealed
// memory (before Linux 3.17). nil: there can.
func Available() error {
	if err := unix.Access(executable, unix.X_OK); err != nil {
		return fmt.Errorf("no engine process: %s: %w (is /proc mounted?)", executable, err)
	}
	m, fd, err := createMemory(1)
	if err != nil {
		return fmt.Errorf("no engine process: %w", err)
	}
	m.free()
	_ = unix.Close(fd)
	return nil
}
