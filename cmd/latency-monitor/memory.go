package main

import (
	"os"
	"runtime/debug"
)

// heapGrowth is by how many percent the heap may grow before garbage is collected (GOGC in package runtime). What
// lives there is a few MB, of which another few make a visible part of the process, and nobody waits for a
// collection while the loops have a process of their own.
const heapGrowth = 50

// saveMemory has garbage collected more often than by default, unless the environment says how often, and unless
// the loops would suffer.
func saveMemory(isolated bool) {
	if isolated && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
}
