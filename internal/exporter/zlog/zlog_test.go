package zlog

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
)

func TestConformance(t *testing.T) {
	exportertest.Run(t, func(t *testing.T) exportertest.Subject {
		var out bytes.Buffer
		return exportertest.Subject{
			Backend:  New(zerolog.New(&out), DefaultLevel),
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

type logLine struct{ Level, Message string }

func parse(t *testing.T, line []byte) (l logLine) {
	t.Helper()
	if err := json.Unmarshal(line, &l); err != nil {
		t.Fatalf("log line %q: %v", line, err)
	}
	return l
}

func TestSamplesAreLoggedAtTheirLevel(t *testing.T) {
	tests := []struct {
		name      string
		wantLevel string
	}{
		{"DEBUG", "debug"}, {"info", "info"}, {"Warning", "warn"}, {"ERROR", "error"},
		{"CRITICAL", "fatal"}, // and the test goes on
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			level, err := ParseLevel(tt.name)
			if err != nil {
				t.Fatalf("ParseLevel(%q): %v", tt.name, err)
			}
			var out bytes.Buffer
			b := New(zerolog.New(&out), level)
			if err := b.Publish(context.Background(), exportertest.Points(1)); err != nil {
				t.Fatalf("Publish: %v", err)
			}
			if got := parse(t, out.Bytes()).Level; got != tt.wantLevel {
				t.Errorf("level = %q, want %q", got, tt.wantLevel)
			}
		})
	}
}

func TestParseLevelRefusesOtherNames(t *testing.T) {
	for _, name := range []string{"", "warn", "FATAL", "10"} {
		if level, err := ParseLevel(name); err == nil {
			t.Errorf("ParseLevel(%q) = %v, want an error", name, level)
		}
	}
}

func TestLoggerWithHigherLevelLogsNoSamples(t *testing.T) {
	var out bytes.Buffer
	b := New(zerolog.New(&out).Level(zerolog.ErrorLevel), DefaultLevel)
	if err := b.Publish(context.Background(), exportertest.Points(3)); err != nil || out.Len() != 0 {
		t.Errorf("Publish = %v, output %q, want nil and none", err, out.Bytes())
	}
}
