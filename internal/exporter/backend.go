package exporter

import (
	"context"
	"errors"
	"time"
)

// UnavailableError says that nothing of what a backend was given was delivered, and that it may be some
// time later: its server is away, asks for a pause, or refuses for a reason that somebody can set right.
// The exporter calls again with the same points, after longer and longer pauses.
type UnavailableError struct {
	Err   error
	After time.Duration // how long to wait at least, if the server says so
	// Reason is the same as long as the same is the matter: when it changes, Err is logged anew. ""
	// is for errors that need not be told apart.
	Reason string

	// Refused says that the server is there and refuses whatever it is given: the login, or the place where
	// it should put the points. Err says what to do about it. It is told as what it is, and not as an outage.
	Refused bool

	// Summed, in an error of Flush, says that what was published is summed up in the backend and will
	// be part of what the next Flush hands on. So Publish is called meanwhile, and nothing piles up in
	// the queue. It is for backends whose Pacing has an Interval.
	Summed bool
}

// Error is that of Err.
func (e *UnavailableError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *UnavailableError) Unwrap() error { return e.Err }

// RejectedError says that some points will never be delivered, since the server does not want them, and
// that all others were delivered.
type RejectedError struct {
	Err    error
	Points int // how many it does not want
}

// Error is that of Err.
func (e *RejectedError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RejectedError) Unwrap() error { return e.Err }

// ErrClosed says that a backend's other end is gone for good, as when the reader of a pipe has left.
// A backend wraps it in the error of Publish or Flush to end the daemon quietly: Run returns that
// error. Every other error leaves the daemon running.
var ErrClosed = errors.New("closed by the other end")

// Backend publishes points somewhere. Its methods are called from one goroutine that serves this
// backend alone, so they may block for as long as they like: then its queue fills, and the oldest
// points are dropped and counted. When ctx is done a method must return soon; one that can't, like a
// write to a stalled pipe, is left behind when the daemon ends.
//
// The error of Publish and Flush is an UnavailableError, a RejectedError, one that wraps ErrClosed, or
// any other, which means that the points are lost. Errors and recoveries are logged once per change.
//
// What holds for every implementation is tested by exportertest.Run.
type Backend interface {
	// Name names the backend in logs and counters. It is the same at every call.
	Name() string

	// Publish takes points, in the order of each ring. There is at least one. The slice belongs to
	// the caller, who overwrites it after the return: keep copies of Points (the Series they point to
	// may be kept).
	Publish(ctx context.Context, points []Point) error

	// Flush hands on what Publish has only buffered or summed up: then all points since the last Flush
	// count as sent, or as failed. It is called only after a Publish: when the Pacing's Interval is over
	// and nothing waits; without an Interval, when nothing waits, and every 100 ms else.
	Flush(ctx context.Context) error

	// Close delivers what is left and frees what the backend holds. It is called last, also after
	// ErrClosed, and is idempotent. After it, Publish and Flush return ErrClosed.
	Close(ctx context.Context) error
}

// Counting is what a Backend also implements that counts what happens to points behind it. Counters is
// called from any goroutine, and their names follow the backend's in the log.
type Counting interface {
	Counters() []Counter
}

// Counter is a figure of a backend's own.
type Counter struct {
	Name  string // such as "slow_dropped"
	Value uint64
}

// Starter is a Backend that has something to do before its first point, if there is ever one. Start is
// called once, before Publish, Flush and Close, from their goroutine: when the daemon has given up its
// privileges.
type Starter interface{ Start() }

// Pacing says how points are handed to a backend. The zero value hands them on as they come.
type Pacing struct {
	// Buffer is how many points wait at most, beside those of the Publish that is under way: the newest.
	// 0 = DefaultBuffer.
	Buffer int
	// Batch is how many points Publish gets at most. 0 = 512.
	Batch int
	// Interval is for how long points are gathered, unless a Batch of them waits before. 0 = not at all.
	Interval time.Duration
}

// BackendCounters is where the points of one backend are. Every point that was ever offered to it is
// in exactly one of Queued, Sent, Dropped and Failed.
type BackendCounters struct {
	Name    string
	Retries uint64 // times that Publish or Flush was called again for the same points
	Queued  uint64 // waiting now, or published and not flushed yet
	Sent    uint64 // published and flushed
	Dropped uint64 // given up without success: too many waited, or the time to exit was over
	Failed  uint64 // given up because of an error; a few may have arrived

	Own []Counter // see Counting
}
