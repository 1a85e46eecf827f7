package zlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
)

func TestConformance(t *testing.T) {
	exportertest.Run(t, func(t *testing.T) exportertest.Subject {
		var out bytes.Buffer
		return exportertest.Subject{
			Backend:  New(zerolog.New(&out), &out, zerolog.WarnLevel),
			Received: func(int) []exportertest.Got { return received(t, out.Bytes()) },
		}
	})
}

func received(t *testing.T, out []byte) []exportertest.Got {
	t.Helper()
	var all []exportertest.Got
	for line := range bytes.Lines(out) {
		got, err := exportertest.ParseLine([]byte(parse(t, line).Message))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, got)
	}
	return all
}

type logLine struct{ Level, Message, Host string }

func parse(t *testing.T, line []byte) (l logLine) {
	t.Helper()
	if err := json.Unmarshal(line, &l); err != nil {
		t.Fatalf("log line %q: %v", line, err)
	}
	return l
}

func TestSamplesAreLoggedAtTheirLevelWhateverTheLoggers(t *testing.T) {
	for _, level := range []zerolog.Level{
		zerolog.DebugLevel, zerolog.InfoLevel, zerolog.WarnLevel, zerolog.ErrorLevel,
		zerolog.FatalLevel, // and the test goes on
	} {
		t.Run(level.String(), func(t *testing.T) {
			var out bytes.Buffer
			log := zerolog.New(nil).Level(zerolog.PanicLevel).With().Str("host", "a").Logger()
			b := New(log, &out, level)
			if err := b.Publish(context.Background(), exportertest.Points(1)); err != nil {
				t.Fatalf("Publish: %v", err)
			}
			if got := parse(t, out.Bytes()); got.Level != level.String() || got.Host != "a" {
				t.Errorf("entry = %+v, want level %v and the logger's field", got, level)
			}
		})
	}
}

// disk is a writer that is full at times.
type disk struct {
	bytes.Buffer
	full bool
}

func (d *disk) Write(p []byte) (int, error) {
	if d.full {
		return 0, syscall.ENOSPC
	}
	return d.Buffer.Write(p)
}

func TestErrorsOfTheLogAreReturned(t *testing.T) {
	var out disk
	b := New(zerolog.New(&out), &out, zerolog.WarnLevel)
	points := exportertest.Points(3)
	for _, step := range []struct {
		full      bool
		want      error
		wantLines int
	}{{false, nil, 3}, {true, syscall.ENOSPC, 3}, {true, syscall.ENOSPC, 3}, {false, nil, 6}} {
		out.full = step.full
		err := b.Publish(context.Background(), points)
		if !errors.Is(err, step.want) {
			t.Errorf("Publish with a full disk = %v: %v, want %v", step.full, err, step.want)
		}
		if got := len(received(t, out.Bytes())); got != step.wantLines {
			t.Errorf("%d lines are logged, want %d", got, step.wantLines)
		}
	}
}
