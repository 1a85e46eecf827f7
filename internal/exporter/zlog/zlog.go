// Package zlog is the backend "log": it logs each sample, as the cli's line of JSON, through zerolog.
package zlog

import (
	"context"
	"fmt"
	"io"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// Backend logs samples.
type Backend struct {
	log    zerolog.Logger
	out    errorKeeper
	level  zerolog.Level
	line   []byte
	closed bool
}

// New makes a backend that writes entries of the given level to out, with the fields of log. The level
// of log does not matter: nothing is left out.
func New(log zerolog.Logger, out io.Writer, level zerolog.Level) *Backend {
	b := &Backend{level: level, out: errorKeeper{to: out}}
	b.log = log.Output(&b.out).Level(level)
	return b
}

// Name is "log".
func (b *Backend) Name() string { return "log" }

// Publish logs the points, up to the first that can't be written.
func (b *Backend) Publish(_ context.Context, points []exporter.Point) error {
	if b.closed {
		return exporter.ErrClosed
	}
	for i := range points {
		b.line = points[i].AppendJSON(b.line[:0])
		b.log.WithLevel(b.level).Msg(string(b.line)) // WithLevel, unlike Fatal, only logs
		if b.out.err != nil {
			return fmt.Errorf("log samples: %w", b.out.err)
		}
	}
	return nil
}

// Flush does nothing: zerolog does not buffer.
func (b *Backend) Flush(context.Context) error {
	if b.closed {
		return exporter.ErrClosed
	}
	return nil
}

// Close ends the backend. It leaves the writer open.
func (b *Backend) Close(context.Context) error {
	b.closed = true
	return nil
}

// errorKeeper remembers what became of the last write. zerolog returns no errors, and prints to
// standard error those that it gets, one a line.
type errorKeeper struct {
	to  io.Writer
	err error // of the last write
}

// Write implements io.Writer. It returns no error.
func (k *errorKeeper) Write(p []byte) (int, error) {
	_, k.err = k.to.Write(p)
	return len(p), nil
}
