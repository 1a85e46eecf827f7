package reflector

import (
	"os"

	"golang.org/x/sys/unix"
)

// openSpare takes a descriptor for nothing. A process that may not open files can still do this.
func openSpare() (*os.File, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return os.NewFile(uintptr(fd), "spare"), nil
}
