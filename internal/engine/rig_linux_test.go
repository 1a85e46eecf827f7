package engine

import (
	"os"
	"testing"
)

var modes = []Mode{Linux, Portable}

// descriptors counts the process's descriptors.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
