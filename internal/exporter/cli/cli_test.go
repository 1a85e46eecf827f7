package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestConformance(t *testing.T) {
	exportertest.Run(t, func(t *testing.T) exportertest.Subject {
		var out bytes.Buffer
		return exportertest.Subject{
			Backend: New(&out, JSON),
			Received: func(int) (all []exportertest.Got) {
				for line := range bytes.Lines(out.Bytes()) {
					got, err := exportertest.ParseLine(line)
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, got)
				}
				return all
			},
		}
	})
}

func TestLinesAreTheReferences(t *testing.T) {
	const at = 1768219134587069267
	point := func(m measurement.Metric, value int64, source, target string, own ...string) exporter.Point {
		return exporter.Point{Series: exportertest.Series(m, source, target, own), Time: at, Value: value}
	}
	var out bytes.Buffer
	b := New(&out, JSON)
	publishAll(t, b, []exporter.Point{
		point(measurement.UDPOWD, 282072, "a", "b", "isp:local"),
		point(measurement.UDPRTT, 564144, "a", "b"),
		point(measurement.UDPLoss, 1, "a", "b", "isp:local", "location:laptop"),
		point(measurement.TCPOWD, -1, "a", "b"),
		point(measurement.TCPRTT, math.MaxInt64, "", ""),
		point(measurement.TCPLatency, math.MinInt64, "a", "b", ""),
		point(measurement.TCPLoss, 1, `quote " backslash \ slash /`, "lf \n cr \r tab \t bs \b ff \f"),
		point(measurement.UDPOWD, 0, "nul \x00 esc \x1b del \x7f", "ž \u2028 \ufffd", "🐎 \U0010ffff", "octets \xff\xc3"),
	})
	compareGolden(t, filepath.Join("testdata", "lines.golden"), out.Bytes())
}

func compareGolden(t *testing.T, golden string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("output:\n%s\nwant:\n%s", got, want)
	}
}

func publishAll(t *testing.T, b *Backend, points []exporter.Point) {
	t.Helper()
	if err := errors.Join(b.Publish(context.Background(), points), b.Flush(context.Background())); err != nil {
		t.Fatal(err)
	}
}

func TestLinesDoNotAllocate(t *testing.T) {
	b := New(io.Discard, JSON)
	points := exportertest.Points(512)
	if n := testing.AllocsPerRun(100, func() { publishAll(t, b, points) }); n != 0 {
		t.Errorf("512 lines allocate %v times, want 0", n)
	}
}

func TestClosedOtherEndIsFinal(t *testing.T) {
	reader, writer := io.Pipe()
	reader.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	tests := []struct {
		name      string
		w         io.Writer
		wantFinal bool
	}{
		{"closed pipe of Go", writer, true},
		{"closed file", file, true},
		{"EPIPE", &faulty{err: &os.PathError{Op: "write", Path: "stdout", Err: syscall.EPIPE}}, true},
		{"full disk", &faulty{err: syscall.ENOSPC}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := New(tt.w, JSON)
			ctx := context.Background()
			if err := b.Publish(ctx, exportertest.Points(1)); err != nil {
				t.Fatalf("Publish = %v, want nil: it only buffers", err)
			}
			err := b.Flush(ctx)
			if err == nil || errors.Is(err, exporter.ErrClosed) != tt.wantFinal {
				t.Errorf("Flush = %v, want an error, final: %v", err, tt.wantFinal)
			}
			if err := b.Close(ctx); err != nil {
				t.Errorf("Close = %v, want nil", err)
			}
		})
	}
}

func TestClosedPipeOfTheSystemIsFinal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	b := New(w, JSON)
	if err := b.Publish(context.Background(), exportertest.Points(1)); err != nil {
		t.Fatal(err)
	}
	if err := b.Flush(context.Background()); !errors.Is(err, exporter.ErrClosed) {
		t.Errorf("Flush = %v, want ErrClosed", err)
	}
}

// faulty is a writer that takes room octets and then fails.
type faulty struct {
	bytes.Buffer
	room int
	err  error
}

func (f *faulty) Write(p []byte) (int, error) {
	if len(p) <= f.room {
		f.room -= len(p)
		return f.Buffer.Write(p)
	}
	n, _ := f.Buffer.Write(p[:f.room])
	f.room = 0
	return n, f.err
}

func TestOutputGoesOnWithWholeLinesAfterAnError(t *testing.T) {
	ctx := context.Background()
	points := exportertest.Points(3)
	line := len(points[0].AppendJSON(nil)) + 1
	for _, room := range []int{0, 1, line - 1, line, line + 1} {
		w := &faulty{room: room, err: syscall.ENOSPC}
		b := New(w, JSON)
		if err := b.Publish(ctx, points); err != nil {
			t.Fatal(err)
		}
		if err := b.Flush(ctx); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("room %d: Flush = %v, want %v", room, err, syscall.ENOSPC)
		}
		w.room = math.MaxInt
		publishAll(t, b, points[2:])
		lines := strings.SplitAfter(w.String(), "\n")
		for _, l := range lines[:len(lines)-1] {
			if _, err := exportertest.ParseLine([]byte(l)); err != nil {
				t.Errorf("room %d: %v", room, err)
			}
		}
		if last := string(points[2].AppendJSON(nil)) + "\n"; !strings.HasSuffix(w.String(), last) {
			t.Errorf("room %d: output %q does not end with the last line", room, w.String())
		}
	}
}

func TestFullBufferIsWrittenWithoutFlush(t *testing.T) {
	var out bytes.Buffer
	b := New(&out, JSON)
	for out.Len() == 0 {
		if err := b.Publish(context.Background(), exportertest.Points(100)); err != nil {
			t.Fatal(err)
		}
	}
	if out.Len() < bufferSize || out.Bytes()[out.Len()-1] != '\n' {
		t.Errorf("first write has %d octets, want at least %d and whole lines", out.Len(), bufferSize)
	}
}

func BenchmarkPublish(b *testing.B) {
	backend := New(io.Discard, JSON)
	points := exportertest.Points(512)
	b.ReportAllocs()
	for b.Loop() {
		if err := backend.Publish(context.Background(), points); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(points)), "ns/line")
}
