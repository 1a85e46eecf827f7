package exporter_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// report runs a Reporter over block for a while and returns its lines.
func report(t *testing.T, e *exporter.Exporter, block *selfstats.Block, during func()) []map[string]any {
	t.Helper()
	var log logBuffer
	r := exporter.Reporter{Log: log.logger(), Totals: func() selfstats.Totals { return selfstats.Sum([]*selfstats.Block{block}) }, Exporter: e}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	during()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	var lines []map[string]any
	for text := range strings.Lines(log.String()) {
		line := map[string]any{}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("line %q: %v", text, err)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestReportOfNothingHasTheMainCounters(t *testing.T) {
	lines := report(t, exporter.New(exporter.Config{}), new(selfstats.Block), func() {})
	if len(lines) != 1 {
		t.Fatalf("%d lines, want one on exit", len(lines))
	}
	want := map[string]any{"level": "info", "message": "counters", "lateness_p50": "0s", "lateness_p99": "0s", "lateness_max": "0s"}
	for _, name := range []string{
		"slots_sent", "slots_skipped", "answered", "lost", "late", "duplicate", "reordered", "malformed", "probes_received",
		"rx_timestamps_missing", "tx_timestamps_missing", "queue_overflow", "ring_dropped", "export_dropped",
	} {
		want[name] = 0.0
	}
	for name, value := range want {
		if lines[0][name] != value {
			t.Errorf("%s = %v, want %v", name, lines[0][name], value)
		}
	}
	if len(lines[0]) != len(want) {
		t.Errorf("line = %v, want no other fields than %v", lines[0], want)
	}
}

func TestReportsShowTotalsAndTheLastMinutesLateness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var block selfstats.Block
		lines := report(t, exporter.New(exporter.Config{}), &block, func() {
			block.Add(selfstats.SlotsSent, 10)
			block.Inc(selfstats.SkippedLate)
			block.Late(time.Millisecond)
			time.Sleep(time.Minute + 1)
			block.Add(selfstats.SlotsSent, 10)
			block.Inc(selfstats.SessionsExpired)
			block.Late(time.Microsecond)
			time.Sleep(time.Minute)
		})
		want := []map[string]any{
			{"slots_sent": 10.0, "slots_skipped": 1.0, "skipped_late": 1.0, "sessions_expired": nil, "lateness_max": "1ms"},
			{"slots_sent": 20.0, "slots_skipped": 1.0, "sessions_expired": 1.0, "lateness_p50": "1.023µs", "lateness_max": "1.023µs"},
			{"slots_sent": 20.0, "lateness_p99": "1ms", "lateness_max": "1ms"}, // on exit: since the start
		}
		if len(lines) != len(want) {
			t.Fatalf("%d lines, want %d", len(lines), len(want))
		}
		for i := range want {
			for name, value := range want[i] {
				if lines[i][name] != value {
					t.Errorf("line %d: %s = %v, want %v", i, name, lines[i][name], value)
				}
			}
		}
	})
}

func TestReportShowsWhereExportedSamplesWent(t *testing.T) {
	r := newRing(t, 4)
	e := exporter.New(exporter.Config{})
	e.AddRing(r)
	e.AddBackend(&backend{name: "fake"}, exporter.Pacing{Buffer: 1})
	addSession(t, e, measurement.Session{ID: 1})
	push(t, r, metric(1, measurement.UDPRTT, 1), metric(1, measurement.UDPRTT, 2), metric(9, measurement.UDPRTT, 3), metric(1, 99, 4))
	overflow := metric(1, measurement.UDPRTT, 5)
	r.Push(&overflow)
	runOnce(t, e)
	lines := report(t, e, new(selfstats.Block), func() {})
	for name, value := range map[string]any{
		"ring_dropped": 1.0, "export_dropped": 3.0, "unresolved": 1.0, "invalid_records": 1.0,
		"fake_sent": 1.0, "fake_dropped": 1.0, "fake_failed": nil, "fake_queued": nil,
	} {
		if lines[0][name] != value {
			t.Errorf("%s = %v, want %v", name, lines[0][name], value)
		}
	}
}
