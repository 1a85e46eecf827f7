package prometheus

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/exporter/families"
	"github.com/latency-monitor/latency-monitor/internal/serverstest"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// serve starts a Prometheus that scrapes the backend often.
func serve(t *testing.T, b *Backend) *serverstest.PrometheusServer {
	t.Helper()
	b.Start()
	return serverstest.Prometheus(t, scraping(b))
}

func scraping(b *Backend) string {
	return fmt.Sprintf(`
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
  - job_name: latency-monitor
    static_configs: [{targets: [%q]}]
`, b.Addr())
}

// stored is what the server has of a histogram, when its count is the one that is wanted.
func stored(t *testing.T, server *serverstest.PrometheusServer, s *exporter.Series, count float64) *serverstest.Histogram {
	t.Helper()
	var selector []string
	labels := families.Labels(s.Tags, nil)
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		selector = append(selector, fmt.Sprintf("%s=%q", name, labels[name]))
	}
	query := fmt.Sprintf("%s{%s}", families.Name(s.Metric), strings.Join(selector, ","))
	var last []serverstest.Sample
	for deadline := time.Now().Add(waittest.Patience()); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		last = server.Query(t, query)
		if len(last) == 1 && last[0].Histogram != nil && last[0].Histogram.Count == count {
			return last[0].Histogram
		}
	}
	t.Fatalf("%s gives %+v, want a native histogram with count %v", query, last, count)
	return nil
}

// What the server has stored is what was measured: counts, sums, and the native buckets, negative delays
// included.
func TestPrometheusStoresWhatWasMeasured(t *testing.T) {
	b := open(t, Config{})
	server := serve(t, b)
	all := []*exporter.Series{
		exportertest.Series(measurement.UDPRTT, "a", "b", []string{"isp:local", "backup"}),
		exportertest.Series(measurement.UDPRTT, "a", "c", nil),
		exportertest.Series(measurement.UDPOWD, "ž \"a\"\\\n", "a", []string{"x:🐎"}),
	}
	counts, sums := map[*exporter.Series]float64{}, map[*exporter.Series]float64{}
	var points []exporter.Point
	for i := range 3000 {
		s := all[i%len(all)]
		value := int64(10_000 * math.Pow(1000, float64(i%100)/100))
		if s.Metric == measurement.UDPOWD && i%10 == 0 {
			value = -value
		}
		points = append(points, exporter.Point{Series: s, Value: value})
		counts[s]++
		sums[s] += float64(value) / 1e9
	}
	loss := exportertest.Series(measurement.UDPLoss, "a", "b", []string{"isp:local", "backup"})
	points = append(points, exporter.Point{Series: loss, Value: 1}, exporter.Point{Series: loss, Value: 1})
	publish(t, b, points)
	for _, s := range all {
		h := stored(t, server, s, counts[s])
		if math.Abs(h.Sum-sums[s]) > 1e-9 {
			t.Errorf("%s %q: sum %v, want %v", s.Name, s.Tags, h.Sum, sums[s])
		}
		checkBuckets(t, h, s, points)
	}
	if got := server.Query(t, `latency_monitor_udp_loss_total{isp="local"}`); len(got) != 1 || got[0].Value != 2 {
		t.Errorf("losses %+v, want 2", got)
	}
	if got := server.Query(t, "up"); len(got) != 1 || got[0].Value != 1 {
		t.Errorf("up = %+v, want 1", got)
	}
}

// checkBuckets checks that every bucket has the points that lie in it.
func checkBuckets(t *testing.T, h *serverstest.Histogram, s *exporter.Series, points []exporter.Point) {
	t.Helper()
	for _, bucket := range h.Buckets {
		n := 0.0
		for _, p := range points {
			if v := float64(p.Value) / 1e9; p.Series == s && bucket.Lower < v && v <= bucket.Upper {
				n++
			}
		}
		if n != bucket.Count {
			t.Errorf("%s %q: %v points from %v to %v, want %v", s.Name, s.Tags, bucket.Count, bucket.Lower, bucket.Upper, n)
		}
	}
}

// unclosed keeps the endpoint when the exporter has ended, for the last scrape.
type unclosed struct{ *Backend }

func (unclosed) Close(context.Context) error { return nil }

// checkStored checks that the server has, in the end, all points of Load.
func checkStored(t *testing.T, server *serverstest.PrometheusServer, points []exporter.Point, c exporter.BackendCounters) {
	t.Helper()
	if c.Sent != uint64(len(points)) || c.Dropped+c.Failed+c.Queued != 0 {
		t.Errorf("counters %+v of %d points, want all sent", c, len(points))
	}
	counts := map[*exporter.Series]float64{}
	for _, p := range points {
		counts[p.Series]++
	}
	for s, count := range counts {
		if h := stored(t, server, s, count); math.Abs(h.Sum-count/1000) > 1e-6 {
			t.Errorf("%q: sum %v of %v points of 1 ms", s.Tags, h.Sum, count)
		}
	}
}

// A server that is not there at the start, is killed under load and comes back misses nothing: histograms
// go on.
func TestPrometheusThatIsKilledUnderLoadMissesNothing(t *testing.T) {
	t.Parallel()
	b := open(t, Config{})
	server := serverstest.Prometheus(t, scraping(b))
	server.Kill()
	points, c := exportertest.Load(t, unclosed{b}, exporter.Pacing{}, 10, func(func() exporter.BackendCounters) {
		for _, step := range []func(){server.Restart, server.Kill, server.Restart} {
			time.Sleep(2 * time.Second) // of load
			step()
		}
		time.Sleep(2 * time.Second)
	})
	checkStored(t, server, points, c)
}

func TestPrometheusStoresAMinuteOfLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("needs to run without -short: takes a minute")
	}
	t.Parallel()
	b := open(t, Config{})
	server := serverstest.Prometheus(t, scraping(b))
	points, c := exportertest.Load(t, unclosed{b}, exporter.Pacing{}, 10, func(func() exporter.BackendCounters) {
		time.Sleep(time.Minute)
	})
	if len(points) < 590_000 {
		t.Errorf("%d points in a minute, want 600000", len(points))
	}
	checkStored(t, server, points, c)
}
