package cli

import (
	"errors"
	"syscall"
)

// errorNoData (ERROR_NO_DATA) is what a write to a pipe gives whose reader is closing it.
const errorNoData = syscall.Errno(232)

// pipeIsGone reports whether err means that a pipe has no reader any more.
func pipeIsGone(err error) bool {
	return errors.Is(err, syscall.ERROR_BROKEN_PIPE) || errors.Is(err, errorNoData)
}
