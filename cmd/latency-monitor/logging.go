package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/config"
)

// levels are the configuration's names of zerolog's levels. CRITICAL is a level only: logging at it
// ends nothing.
var levels = map[config.LogLevel]zerolog.Level{
	config.LogDebug:    zerolog.DebugLevel,
	config.LogInfo:     zerolog.InfoLevel,
	config.LogWarning:  zerolog.WarnLevel,
	config.LogError:    zerolog.ErrorLevel,
	config.LogCritical: zerolog.FatalLevel,
}

// leadingFields come first in a line, in this order; the others follow by name.
var leadingFields = []string{
	"slots_sent", "slots_skipped", "answered", "lost", "late", "duplicate", "reordered", "malformed",
	"probes_received", "lateness_p50", "lateness_p99", "lateness_max", "ring_dropped", "export_dropped",
}

// logbook is the log.
type logbook struct {
	zerolog.Logger
	out io.Writer // takes the Logger's entries and writes them as text; for the backend log, too
}

// slog is the log for the library.
func (b logbook) slog() *slog.Logger {
	return slog.New(handler{zerolog.NewSlogHandler(b.Logger), b.Logger})
}

// handler has a level more than zerolog's: what ends the library is above slog's error, and critical here.
type handler struct {
	*zerolog.SlogHandler
	log zerolog.Logger
}

// Enabled implements slog.Handler.
func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level > slog.LevelError || h.SlogHandler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level <= slog.LevelError {
		return h.SlogHandler.Handle(ctx, r)
	}
	h.log.WithLevel(zerolog.FatalLevel).Msg(r.Message)
	return nil
}

// openLog makes the log that the configuration asks for, one line of text per entry: time, level,
// message, fields.
func openLog(c config.Config, stderr io.Writer) (log logbook, closeLog func(), err error) {
	out, closeLog := stderr, func() {}
	if c.LogFile != "" {
		file, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return log, nil, fmt.Errorf("log file: %w", err)
		}
		out, closeLog = file, func() { file.Close() }
	}
	console := zerolog.ConsoleWriter{
		Out: out, NoColor: true, FormatTimestamp: timeOfLine, FormatLevel: levelName,
		FieldsOrder: leadingFields, FormatErrFieldValue: errorValue,
	}
	return logbook{zerolog.New(console).Level(levels[c.LogLevel]), console}, closeLog, nil
}

// timeOfLine is the time at which a line is written. Entries carry none: zerolog would write it in the
// format that a variable of its package has, for all its users in the process.
func timeOfLine(any) string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// errorValue writes an error that quotes something, such as an answer in JSON, between backquotes, where the
// quotes need no escape. The console writer has put what has a space between quotes before.
func errorValue(value any) string {
	written := fmt.Sprintf("%s", value)
	text, err := strconv.Unquote(written)
	if err == nil && strings.Contains(text, `"`) && strconv.CanBackquote(text) {
		return "`" + text + "`"
	}
	return written
}

func levelName(level any) string {
	parsed, err := zerolog.ParseLevel(fmt.Sprint(level))
	if err != nil {
		return strings.ToUpper(fmt.Sprint(level))
	}
	for name, l := range levels {
		if l == parsed {
			return string(name)
		}
	}
	return strings.ToUpper(parsed.String())
}
