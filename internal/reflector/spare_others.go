//go:build !linux

package reflector

import "os"

// openSpare takes a descriptor for nothing.
func openSpare() (*os.File, error) { return os.Open(os.DevNull) }
