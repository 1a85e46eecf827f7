package main

import (
	"os"
	"runtime/debug"

	"github.com/latency-monitor/latency-monitor/internal/isolation"
)

// heapGrowth is by how many percent the heap may grow before garbage is collected (GOGC in package runtime). What
// lives there is a few MB, of which another few make a visible part of the process, and nobody waits for a
// collection while the loops have a process of their own.
const heapGrowth = 30

// saveMemory is called after the start. It gives back what only the start-up needed, garbage and code, and has garbage
// collected more often than by default, unless the environment says how often. It does nothing where the loops would
// suffer.
func saveMemory(isolated bool) error {
	if !isolated {
		return nil
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	debug.FreeOSMemory()
	return isolation.DropImage()
}
