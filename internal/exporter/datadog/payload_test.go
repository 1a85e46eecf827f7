package datadog

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

var update = flag.Bool("update", false, "write the golden files anew")

const at = 1768219134 // of the points in tests, in seconds

// point is of a second, and so many nanoseconds later.
func point(s *exporter.Series, second, nanos, value int64) exporter.Point {
	return exporter.Point{Series: s, Time: second*1e9 + nanos, Value: value}
}

func publish(t *testing.T, b *Backend, points ...exporter.Point) {
	t.Helper()
	if err := b.Publish(context.Background(), points); err != nil {
		t.Fatalf("Publish = %v", err)
	}
}

func flush(t *testing.T, b *Backend) {
	t.Helper()
	if err := b.Flush(context.Background()); err != nil {
		t.Fatalf("Flush = %v", err)
	}
}

// The golden files are also what testdata/official decodes with the types of Datadog's own client.
func TestRequestsAreTheDocumented(t *testing.T) {
	tests := []struct {
		name   string
		points func() []exporter.Point
	}{
		{"one delay", func() []exporter.Point {
			return []exporter.Point{point(exportertest.Series(measurement.UDPOWD, "a", "b", []string{"isp:local"}), at, 587069267, 282072)}
		}},
		{"delays of two seconds", func() (points []exporter.Point) {
			s := exportertest.Series(measurement.UDPRTT, "a", "b", nil)
			for i := range int64(200) {
				points = append(points, point(s, at, i*1e6, 1e6+i*1e3), point(s, at+1, i*1e6, -i))
			}
			return points
		}},
		{"losses", func() []exporter.Point {
			s := exportertest.Series(measurement.UDPLoss, "a", "b", []string{"isp:local", "location:laptop"})
			return []exporter.Point{point(s, at, 1, 1), point(s, at, 2, 1), point(s, at+5, 0, 1)}
		}},
		{"several series", func() []exporter.Point {
			return []exporter.Point{
				point(exportertest.Series(measurement.UDPRTT, "a", "b", nil), at, 0, 1_500_000),
				point(exportertest.Series(measurement.TCPLatency, "a", "b", nil), at, 0, 2_000_000),
				point(exportertest.Series(measurement.TCPLoss, "a", "b", nil), at, 0, 1),
				point(&exporter.Series{Metric: measurement.HostClockError, Name: "host.clock.error", Tags: []string{"source:a", "target:a"}}, at, 0, 29_500_123),
			}
		}},
		{"odd names and values", func() []exporter.Point {
			s := exportertest.Series(measurement.UDPOWDForward, `quo"te <b>`, "žluťoučký 🐎", []string{"tab\tnewline\n\u2028", "octets:\xff"})
			return []exporter.Point{point(s, -1, -1, math.MaxInt64), point(s, 0, 0, math.MinInt64), point(s, at, 0, 0)}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			b := s.open(t)
			publish(t, b, tt.points()...)
			flush(t, b)
			if len(s.requests) != 1 {
				t.Fatalf("%d requests, want 1", len(s.requests))
			}
			compareGolden(t, tt.name, s.requests[0])
		})
	}
}

// compareGolden compares what was sent, to the octet, with a file that is indented for people.
func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	golden := filepath.Join("testdata", strings.ReplaceAll(name, " ", "_")+".json")
	if *update {
		var indented bytes.Buffer
		if err := json.Indent(&indented, got, "", "\t"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, append(indented.Bytes(), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, text); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("request:\n%s\nwant:\n%s", got, want.Bytes())
	}
}
