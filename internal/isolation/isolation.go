package isolation

import (
	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// Config of an Engine.
type Config struct {
	// Engine is of the engine in each child. Its Mode must be engine.Linux; Outputs and Lent are set by
	// this package. Note is also told when a child dies and when the next one measures.
	Engine     engine.Config
	LockMemory bool // each child keeps all its memory in RAM; see privilege.LockMemory
	Consumer   Consumer
}

// Consumer takes the samples out of the rings of each child.
type Consumer interface {
	// AddRing begins to drain a ring.
	AddRing(r *ring.SPSC)
	// RemoveRing drains a ring, which nobody pushes to any more, and lets go of it before it returns:
	// the ring's memory is gone after that.
	RemoveRing(r *ring.SPSC)
	// Wake ends a sleep that the Consumer has announced to a ring's producer (ring.SPSC.Sleep). It
	// does not block.
	Wake()
}
