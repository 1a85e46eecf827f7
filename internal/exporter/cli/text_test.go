package cli

import (
	"bytes"
	"io"
	"math"
	"path/filepath"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestTextIsForEyes(t *testing.T) {
	const at = 1768219134587069267
	series := func(m measurement.Metric, target string, own ...string) *exporter.Series {
		return exportertest.Series(m, "paris", target, own)
	}
	rtt, loss := series(measurement.UDPRTT, "tokyo", "isp:local", "path:2"), series(measurement.UDPLoss, "tokyo", "isp:local", "path:2")
	long := series(measurement.TCPLatency, "a-name-that-is-much-longer-than-those-of-others.example.net")
	var out bytes.Buffer
	publishAll(t, New(&out, Text), []exporter.Point{
		{Series: rtt, Time: at, Value: 212_047_113},
		{Series: rtt, Time: at + 1e6, Value: 212_047_713},
		{Series: loss, Time: at + 2e6, Value: 1},
		{Series: series(measurement.UDPOWD, "rome"), Time: at + 3e6, Value: 999_999},
		{Series: rtt, Time: at + 4e6, Value: 1_000_000},
		{Series: rtt, Time: at + 5e6, Value: 999_999_499},
		{Series: rtt, Time: at + 6e6, Value: 999_999_500},
		{Series: rtt, Time: at + 7e6, Value: 0},
		{Series: rtt, Time: at + 8e6, Value: -1},
		{Series: rtt, Time: at + 9e6, Value: -999_999_499},
		{Series: rtt, Time: at + 1e9, Value: math.MaxInt64},
		{Series: rtt, Time: at + 2e9, Value: math.MinInt64},
		{Series: series(measurement.UDPLossBackward, "rome"), Time: at + 3e9, Value: 1},
		{Series: series(measurement.UDPOWDForward, "žluťoučký 🐎"), Time: at + 4e9, Value: 45_678},
		{Series: exportertest.Series(measurement.UDPOWD, "evil\x1b[2J", "paris", []string{"a:\r\n\u2028\xffb"}), Time: at + 5e9, Value: 45_678},
		{Series: long, Time: at + 6e9, Value: 45_678},
		{Series: rtt, Time: at + 7e9, Value: 45_678},
	})
	compareGolden(t, filepath.Join("testdata", "text.golden"), out.Bytes())
}

func TestTextOfTheHostNamesItOnce(t *testing.T) {
	host := &exporter.Series{Metric: measurement.HostClockError, Name: "host.clock.error", Tags: []string{"source:a", "target:a"}}
	var out bytes.Buffer
	publishAll(t, New(&out, Text), []exporter.Point{{Series: host, Time: 0, Value: 7}})
	if want := "1970-01-01T00:00:00.000000Z  a  host.clock.error          0.007 µs\n"; out.String() != want {
		t.Errorf("output %q, want %q", out.String(), want)
	}
}

func TestTextDoesNotAllocate(t *testing.T) {
	b := New(io.Discard, Text)
	points := exportertest.Points(512)
	if n := testing.AllocsPerRun(100, func() { publishAll(t, b, points) }); n != 0 {
		t.Errorf("512 lines allocate %v times, want 0", n)
	}
}

func TestTextForgetsSeries(t *testing.T) {
	b := New(io.Discard, Text)
	for range 2 * maxLabels {
		point := exporter.Point{Series: &exporter.Series{Metric: measurement.UDPRTT, Name: "udp.wan.rtt", Tags: []string{"source:a", "target:b"}}}
		publishAll(t, b, []exporter.Point{point})
	}
	if n := len(b.text.labels); n > maxLabels {
		t.Errorf("%d series are kept, want %d at most", n, maxLabels)
	}
}
