// Package zlog is the backend "log": it logs each sample, as the cli's line of JSON, through zerolog.
package zlog

import (
	"context"
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// DefaultLevel is the level at which samples are logged unless the configuration says otherwise.
const DefaultLevel = zerolog.WarnLevel

// levels are the reference implementation's names. CRITICAL has no counterpart in zerolog but fatal.
var levels = map[string]zerolog.Level{
	"DEBUG": zerolog.DebugLevel, "INFO": zerolog.InfoLevel, "WARNING": zerolog.WarnLevel,
	"ERROR": zerolog.ErrorLevel, "CRITICAL": zerolog.FatalLevel,
}

// ParseLevel reads a level's name, in upper or lower case.
func ParseLevel(name string) (zerolog.Level, error) {
	if level, ok := levels[strings.ToUpper(name)]; ok {
		return level, nil
	}
	return 0, fmt.Errorf("level %q: must be DEBUG, INFO, WARNING, ERROR or CRITICAL", name)
}

// Backend logs samples.
type Backend struct {
	log    zerolog.Logger
	level  zerolog.Level
	line   []byte
	closed bool
}

// New makes a backend that logs to log at the given level. A logger whose own level is higher logs
// none of them.
func New(log zerolog.Logger, level zerolog.Level) *Backend {
	return &Backend{log: log, level: level}
}

// Name is "log".
func (b *Backend) Name() string { return "log" }

// Publish logs the points. zerolog hides errors of the writer, so it has none.
func (b *Backend) Publish(_ context.Context, points []exporter.Point) error {
	if b.closed {
		return exporter.ErrClosed
	}
	for i := range points {
		// WithLevel, unlike Fatal, only logs.
		event := b.log.WithLevel(b.level)
		if !event.Enabled() {
			return nil
		}
		b.line = points[i].AppendJSON(b.line[:0])
		event.Msg(string(b.line))
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

// Close ends the backend. It leaves the logger as it is.
func (b *Backend) Close(context.Context) error {
	b.closed = true
	return nil
}
