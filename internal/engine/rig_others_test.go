//go:build !linux

package engine

import "testing"

var modes = []Mode{Portable}

// descriptors are not counted here.
func descriptors(*testing.T) int { return 0 }
