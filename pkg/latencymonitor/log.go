package latencymonitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/rs/zerolog"
)

// logTo makes the logger of the program's parts, whose entries go to l; nil = nowhere.
func logTo(l *slog.Logger) zerolog.Logger {
	if l == nil {
		return zerolog.Nop()
	}
	return zerolog.New(bridge{l.Handler()})
}

// bridge passes zerolog's entries on to slog. It decodes each: they are few, and their writers need not
// know.
type bridge struct{ to slog.Handler }

// Write implements io.Writer, which zerolog asks for and does not use here.
func (b bridge) Write(entry []byte) (int, error) { return b.WriteLevel(zerolog.InfoLevel, entry) }

// WriteLevel implements zerolog.LevelWriter.
func (b bridge) WriteLevel(level zerolog.Level, entry []byte) (int, error) {
	ctx, to := context.Background(), levelOf(level)
	if !b.to.Enabled(ctx, to) {
		return len(entry), nil
	}
	r := slog.NewRecord(time.Now(), to, "", 0)
	if err := fill(&r, entry); err != nil {
		return 0, fmt.Errorf("entry %q: %w", entry, err)
	}
	return len(entry), b.to.Handle(ctx, r)
}

// levelOf is slog's value of a level. zerolog's fatal only says so here: it ends nothing.
func levelOf(level zerolog.Level) slog.Level {
	switch {
	case level >= zerolog.FatalLevel && level != zerolog.NoLevel:
		return slog.LevelError + 4
	case level == zerolog.ErrorLevel:
		return slog.LevelError
	case level == zerolog.WarnLevel:
		return slog.LevelWarn
	case level <= zerolog.DebugLevel:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// fill gives the record the message and the fields of an entry, a JSON object, in their order.
func fill(r *slog.Record, entry []byte) error {
	d := json.NewDecoder(bytes.NewReader(entry))
	d.UseNumber()
	if _, err := d.Token(); err != nil { // the brace
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return err
		}
		switch key := name.(string); key {
		case zerolog.LevelFieldName:
		case zerolog.MessageFieldName:
			r.Message, _ = value.(string)
		default:
			r.AddAttrs(slog.Any(key, plain(value)))
		}
	}
	_, err := d.Token()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// plain makes a number of what stands for one.
func plain(value any) any {
	number, ok := value.(json.Number)
	if !ok {
		return value
	}
	if i, err := number.Int64(); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(number.String(), 10, 64); err == nil {
		return u
	}
	f, _ := number.Float64()
	return f
}
