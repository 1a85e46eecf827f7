// Package cli is the backend that prints one line per sample, by default to standard output: of JSON, in
// the reference implementation's shape, or for eyes, in columns.
//
// A Go program is killed by SIGPIPE when it writes to a standard output that nobody reads any more,
// unless it asks to be told of that signal. A program that wants ErrClosed instead must do so.
package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

const (
	bufferSize = 64 << 10 // octets that are worth a write
	spare      = 16 << 10 // room for the line that goes beyond
)

// Format is how a line looks.
type Format string

// The formats.
const (
	JSON Format = "json"
	Text Format = "text"
)

// Backend writes lines to an io.Writer. It does not close the writer.
type Backend struct {
	w      io.Writer
	text   *text // nil: JSON
	buf    []byte
	closed bool
}

// New makes a backend that writes to w.
func New(w io.Writer, f Format) *Backend {
	b := &Backend{w: w, buf: make([]byte, 0, bufferSize+spare)}
	if f == Text {
		b.text = newText()
	}
	return b
}

// Name is "cli".
func (b *Backend) Name() string { return "cli" }

// Publish appends a line per point to the buffer, and writes when it is full. It does not allocate,
// except once for a line of more than 16 KiB, and in text for each series.
func (b *Backend) Publish(_ context.Context, points []exporter.Point) error {
	if b.closed {
		return exporter.ErrClosed
	}
	for i := range points {
		b.buf = append(b.appendLine(points[i]), '\n')
		if len(b.buf) < bufferSize {
			continue
		}
		if err := b.write(); err != nil {
			return err
		}
	}
	return nil
}

// appendLine returns the buffer with the line of a point behind what is there.
func (b *Backend) appendLine(p exporter.Point) []byte {
	if b.text != nil {
		return b.text.append(b.buf, p)
	}
	return p.AppendJSON(b.buf)
}

// Flush writes what is buffered.
func (b *Backend) Flush(context.Context) error {
	if b.closed {
		return exporter.ErrClosed
	}
	return b.write()
}

// Close writes what is buffered. It leaves the writer open.
func (b *Backend) Close(ctx context.Context) error {
	if b.closed {
		return nil
	}
	err := b.Flush(ctx)
	b.closed = true
	if errors.Is(err, exporter.ErrClosed) {
		return nil // told before, or of no interest any more
	}
	return err
}

// write writes the buffer, which holds whole lines, and empties it. After an error it keeps the rest
// of a line that was written in part, so that the output goes on with whole lines if it ever does.
func (b *Backend) write() error {
	if len(b.buf) == 0 {
		return nil
	}
	n, err := b.w.Write(b.buf)
	if err == nil {
		b.buf = b.buf[:0]
		return nil
	}
	b.buf = append(b.buf[:0], restOfLine(b.buf, n)...)
	if isClosed(err) {
		return fmt.Errorf("write samples: %w: %w", exporter.ErrClosed, err)
	}
	return fmt.Errorf("write samples: %w", err)
}

func isClosed(err error) bool {
	return errors.Is(err, os.ErrClosed) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.EPIPE) || pipeIsGone(err)
}

// restOfLine is what is missing of the line that a write of n octets of lines cut in two; nothing if
// it ended between lines.
func restOfLine(lines []byte, n int) []byte {
	n = max(0, min(n, len(lines)))
	if n == 0 || lines[n-1] == '\n' {
		return nil
	}
	return lines[n : n+bytes.IndexByte(lines[n:], '\n')+1]
}
