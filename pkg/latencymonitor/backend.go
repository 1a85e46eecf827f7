package latencymonitor

import (
	"context"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// Backend publishes points somewhere. Its methods are called from one goroutine that serves this
// backend alone, so they may block for as long as they like: then its queue fills, and the oldest points
// are dropped and counted. When ctx is done a method must return soon; one that does not is left behind
// when the Monitor is closed.
//
// The error of Publish and Flush is an [UnavailableError], a [RejectedError], one that is
// [ErrBackendClosed], or any other, which means that the points are lost. Errors and recoveries are
// logged once per change.
//
// A Backend may have two methods more. Start() is called once before all of these, from the same
// goroutine, when the Monitor starts. Counters() []Counter is called from any goroutine, and its figures
// are in Stats and, behind the name of the backend, in the log.
type Backend interface {
	// Name names the backend in logs and counters. It is the same at every call.
	Name() string

	// Publish takes points, one at least: those of each session in their order. The slice belongs to the
	// caller, who overwrites it after the return: keep copies of Points (the Series that they point to may
	// be kept).
	Publish(ctx context.Context, points []Point) error

	// Flush hands on what Publish has only buffered or summed up: then all points since the last Flush
	// count as sent, or as failed. It is called only after a Publish: when the Pacing's Interval is over
	// and nothing waits; without an Interval, when nothing waits, and every 100 ms else.
	Flush(ctx context.Context) error

	// Close delivers what is left and frees what the backend holds. It is called last, also after
	// ErrBackendClosed, and is idempotent. After it, Publish and Flush return ErrBackendClosed.
	Close(ctx context.Context) error
}

// Point is one value of a series, as backends get it.
//
//   - Series *Series: what was measured, between whom
//   - Time int64: nanoseconds since the Unix epoch
//   - Value int64: nanoseconds, or 1 for a lost probe
//
// AppendJSON(dst []byte) []byte appends it as the line of JSON that the command prints.
type Point = exporter.Point

// Series is the names of one session and metric. It never changes and may be kept; a session has one
// Series per metric as long as it lives, so that the pointer can serve as a key.
//
//   - Metric measurement.Metric: Metric.Loss() reports whether points are lost probes
//   - Name string: of the metric, such as "udp.wan.rtt"
//   - Tags []string: source:, target:, then the target's own; not to be changed
type Series = exporter.Series

// Pacing says how points are handed to a backend. The zero value hands them on as they come.
//
//   - Buffer int: how many points wait at most, the newest, beside those of the Publish that is under way;
//     0 = 100,000
//   - Batch int: how many points Publish gets at most; 0 = 512
//   - Interval time.Duration: for how long points are gathered, unless a Batch of them waits before; 0 =
//     not at all
type Pacing = exporter.Pacing

// UnavailableError says that nothing of what a backend was given was delivered, and that it may be some
// time later: its server is away, asks for a pause, or refuses for a reason that somebody can set right. It is
// called again with the same points, after longer and longer pauses, while the newest points are kept.
//
//   - Err error: why
//   - Reason string: the same as long as the same is the matter; when it changes, Err is logged anew
//   - Refused bool: the server is there and refuses whatever it is given, such as for a wrong password; the log
//     tells this apart from an outage
//   - After time.Duration: how long to wait at least, if the server says so
//   - Summed bool: in an error of Flush, that what was published is summed up in the backend and will be part
//     of what the next Flush hands on; so Publish goes on being called. For backends with an Interval
//
// Return a pointer to it.
type UnavailableError = exporter.UnavailableError

// RejectedError says that some points will never be delivered, since the server does not want them, and
// that all others were delivered.
//
//   - Err error: why
//   - Points int: how many it does not want
//
// Return a pointer to it.
type RejectedError = exporter.RejectedError

// ErrBackendClosed says that a backend's other end is gone for good, as when the reader of a pipe has
// left. A backend wraps it in the error of Publish or Flush to end the whole Monitor, without an error in
// the log: Err returns that error. Every other error leaves the Monitor running.
var ErrBackendClosed = exporter.ErrClosed
