//go:build !windows

package config

import (
	"fmt"
	"io/fs"
)

// othersReadWrite are the permissions to read and write of the file's group and of everybody.
const othersReadWrite fs.FileMode = 0o066

// checkSecret refuses a file that others than its owner can read or write.
func checkSecret(mode fs.FileMode) error {
	if mode.Perm()&othersReadWrite == 0 {
		return nil
	}
	return fmt.Errorf("must not be readable or writable by group or others: its mode is %04o, make it 0600",
		mode.Perm())
}
