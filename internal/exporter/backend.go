package exporter

import (
	"context"
	"errors"
)

// ErrClosed says that a backend's other end is gone for good, as when the reader of a pipe has left.
// A backend wraps it in the error of Publish or Flush to end the daemon quietly: Run returns that
// error. Every other error leaves the daemon running.
var ErrClosed = errors.New("closed by the other end")

// Backend publishes points somewhere. Its methods are called from one goroutine that serves this
// backend alone, so they may block for as long as they like: then its queue fills, and the newest
// points are dropped and counted. When ctx is done a method must return soon; one that can't, like a
// write to a stalled pipe, is left behind when the daemon ends.
//
// What holds for every implementation is tested by exportertest.Run.
type Backend interface {
	// Name names the backend in logs and counters. It is the same at every call.
	Name() string

	// Publish takes points, in the order of each ring. There is at least one. The slice belongs to
	// the caller, who overwrites it after the return: keep copies of Points (the Series they point to
	// may be kept). An error means that none of these points will be delivered; a backend that retries
	// does so before it returns. The exporter counts errors and logs the first one and the recovery.
	Publish(ctx context.Context, points []Point) error

	// Flush hands on what Publish has only buffered. It is called when the queue is empty, and at
	// least every 100 ms while it is not, but only after a Publish. On an error all points since the
	// last Flush without one count as failed. A backend that gathers points for an interval of its own
	// may ignore Flush and deliver in Close what is left.
	Flush(ctx context.Context) error

	// Close delivers what is left and frees what the backend holds. It is called last, also after
	// ErrClosed, and is idempotent. After it, Publish and Flush return ErrClosed.
	Close(ctx context.Context) error
}

// BackendCounters is where the points of one backend are. Every point that was ever offered to it is
// in exactly one of Queued, Sent, Dropped and Failed.
type BackendCounters struct {
	Name    string
	Queued  uint64 // waiting now, or published and not flushed yet
	Sent    uint64 // published and flushed
	Dropped uint64 // given up without trying: queue full, or the time to exit was over
	Failed  uint64 // given up because of an error; a few may have arrived
}
