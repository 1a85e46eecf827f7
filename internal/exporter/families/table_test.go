package families_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/exporter/families"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

var update = flag.Bool("update", false, "write the golden files anew")

func gather(t testing.TB, c client.Collector) []*dto.MetricFamily {
	t.Helper()
	registry := client.NewRegistry()
	registry.MustRegister(c)
	all, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func textOf(t *testing.T, all []*dto.MetricFamily) string {
	t.Helper()
	var text bytes.Buffer
	for _, family := range all {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

// names are the names of all series, with their labels.
func names(t *testing.T, c client.Collector) []string {
	t.Helper()
	var all []string
	for _, family := range gather(t, c) {
		for _, m := range family.GetMetric() {
			name := strings.TrimPrefix(family.GetName(), families.Namespace)
			for _, l := range m.GetLabel() {
				name += fmt.Sprintf(" %s=%s", l.GetName(), l.GetValue())
			}
			all = append(all, name)
		}
	}
	return all
}

func points(s *exporter.Series, values ...int64) []exporter.Point {
	var all []exporter.Point
	for _, v := range values {
		all = append(all, exporter.Point{Series: s, Time: 1768219134587069267, Value: v})
	}
	return all
}

func observe(t testing.TB, table *families.Table, p []exporter.Point) {
	t.Helper()
	if err := table.Observe(p); err != nil {
		t.Fatal(err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// everyMetric is a point or more of every metric, from targets with different tags.
func everyMetric() []exporter.Point {
	all := points(exportertest.Series(measurement.UDPRTT, "a", "c", []string{"backup"}), int64(3*time.Second))
	for m := measurement.Metric(1); m.Valid(); m++ {
		s := exportertest.Series(m, "a", "b", []string{"isp:local \"5\"\n"})
		if m.Loss() {
			all = append(all, points(s, 1, 1)...)
			continue
		}
		all = append(all, points(s, 1_000, 250_000, 250_001, -40_000, 1_000_000_000)...)
	}
	return all
}

func TestEveryMetricHasItsFamily(t *testing.T) {
	table := families.NewTable(families.Config{})
	observe(t, table, everyMetric())
	golden(t, "table.golden", textOf(t, gather(t, table)))
}

func TestIntervalsHaveGauges(t *testing.T) {
	table := families.Intervals{Table: families.NewTable(families.Config{Intervals: true})}
	observe(t, table.Table, everyMetric())
	if !table.Unsent() {
		t.Error("Unsent() = false after points, want true")
	}
	golden(t, "interval.golden", textOf(t, gather(t, table)))

	table.Next()
	if table.Unsent() {
		t.Error("Unsent() = true after Next, want false")
	}
	observe(t, table.Table, points(exportertest.Series(measurement.UDPRTT, "a", "c", []string{"backup"}), 2000, 1000, 3000))
	all := textOf(t, gather(t, table))
	for _, want := range []string{
		`udp_rtt_points{backup="true",source="a",target="c"} 3`,
		`udp_rtt_min_seconds{backup="true",source="a",target="c"} 1e-06`,
		`udp_rtt_mean_seconds{backup="true",source="a",target="c"} 2e-06`,
		`udp_rtt_max_seconds{backup="true",source="a",target="c"} 3e-06`,
		`udp_rtt_last_seconds{backup="true",source="a",target="c"} 3e-06`,
		`udp_rtt_seconds_count{backup="true",source="a",target="c"} 4`,
		`tcp_owd_points{isp="local \"5\"\n",source="a",target="b"} 0`,
	} {
		if !strings.Contains(all, want+"\n") {
			t.Errorf("the second interval has no line %s", want)
		}
	}
	if strings.Contains(all, "tcp_owd_mean") {
		t.Error("an interval without points has a mean")
	}
}

// nativeCounts are the counts of the native buckets, from the lowest index on.
func nativeCounts(spans []*dto.BucketSpan, deltas []int64) (counts []int64) {
	var count int64
	for _, span := range spans {
		for range span.GetLength() {
			count += deltas[0]
			deltas = deltas[1:]
			if count > 0 {
				counts = append(counts, count)
			}
		}
	}
	return counts
}

func TestNativeHistogramHasNegativeDelays(t *testing.T) {
	table := families.NewTable(families.Config{})
	s := exportertest.Series(measurement.UDPOWD, "a", "b", nil)
	observe(t, table, points(s, 0, 1_000_000, 1_000_001, 2_000_000, -1_000_000, math.MinInt64))
	for _, family := range gather(t, table) {
		if family.GetName() == "latency_monitor_udp_owd_negative_total" {
			if got := family.GetMetric()[0].GetCounter().GetValue(); got != 2 {
				t.Errorf("%v negative delays, want 2", got)
			}
		}
		if family.GetName() != "latency_monitor_udp_owd_seconds" {
			continue
		}
		h := family.GetMetric()[0].GetHistogram()
		positive := nativeCounts(h.GetPositiveSpan(), h.GetPositiveDelta())
		negative := nativeCounts(h.GetNegativeSpan(), h.GetNegativeDelta())
		if h.GetSchema() != 3 || h.GetZeroCount() != 1 || !slices.Equal(positive, []int64{2, 1}) || !slices.Equal(negative, []int64{1, 1}) {
			t.Errorf("schema %d, zero %d, positive %v, negative %v, want 3, 1, [2 1], [1 1]",
				h.GetSchema(), h.GetZeroCount(), positive, negative)
		}
		if first := h.GetBucket()[0].GetCumulativeCount(); first != 3 || h.GetSampleCount() != 6 {
			t.Errorf("%d in the first classic bucket of %d, want 3 of 6", first, h.GetSampleCount())
		}
	}
}

func TestIdleSeriesDisappear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := families.NewTable(families.Config{})
		rtt := exportertest.Series(measurement.UDPRTT, "a", "b", nil)
		owd := exportertest.Series(measurement.UDPOWDForward, "a", "b", nil)
		tcp := exportertest.Series(measurement.TCPRTT, "a", "b", nil)
		const labels = " source=a target=b"
		check := func(when string, want ...string) {
			t.Helper()
			for i := range want {
				want[i] += labels
			}
			if got := names(t, table); !slices.Equal(got, want) {
				t.Errorf("%s: series %q, want %q", when, got, want)
			}
		}
		observe(t, table, slices.Concat(points(rtt, 1), points(owd, 1), points(tcp, 1)))
		time.Sleep(4 * time.Minute)
		observe(t, table, points(rtt, 1))
		check("after 4 min", "tcp_loss_total", "tcp_rtt_seconds", "udp_loss_total", "udp_owd_forward_seconds", "udp_rtt_seconds")
		time.Sleep(80 * time.Second)
		check("when two are idle for more than 5 min", "udp_loss_total", "udp_rtt_seconds")
		observe(t, table, points(owd, 1))
		check("when one has come back", "udp_loss_total", "udp_owd_forward_seconds", "udp_rtt_seconds")
		time.Sleep(6 * time.Minute)
		check("when all are idle")
		if sets, series, _ := table.Size(); sets != 0 || series != 0 {
			t.Errorf("Size() = %d, %d, want 0, 0", sets, series)
		}
		observe(t, table, points(rtt, 1))
		check("in the end", "udp_loss_total", "udp_rtt_seconds")
	})
}

func TestWhatWasNotSentYetDoesNotDisappear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := families.Intervals{Table: families.NewTable(families.Config{Intervals: true})}
		observe(t, table.Table, points(exportertest.Series(measurement.UDPRTT, "a", "b", nil), 1))
		time.Sleep(time.Hour)
		if !strings.Contains(textOf(t, gather(t, table)), "latency_monitor_udp_rtt_seconds_count") {
			t.Error("it has disappeared")
		}
		table.Next()
		time.Sleep(time.Hour)
		if got := names(t, table); len(got) > 0 {
			t.Errorf("%q are still there", got)
		}
	})
}

func TestSeriesOfTheSameLabelsAreOne(t *testing.T) {
	table := families.NewTable(families.Config{})
	for range 3 { // as when a session ends and another one begins
		observe(t, table, points(exportertest.Series(measurement.UDPRTT, "a", "b", []string{"x:"}), 1))
		observe(t, table, points(exportertest.Series(measurement.UDPRTT, "a", "b", nil), 1))
	}
	if text := textOf(t, gather(t, table)); !strings.Contains(text, `latency_monitor_udp_rtt_seconds_count{source="a",target="b"} 6`) {
		t.Errorf("got:\n%s\nwant one series with 6 points", text)
	}
}

func TestOtherHostsCannotMakeMoreLabelSetsThanThereMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours := measurement.Session{Source: "a", Target: "b", Tags: []string{"isp:local"}}
		table := families.NewTable(families.Config{Foreign: 3, Sessions: []measurement.Session{ours}})
		var all []exporter.Point
		for i := range 10 {
			s := exportertest.Series(measurement.UDPOWD, fmt.Sprint("stranger", i), "a", nil)
			all = append(all, points(s, 1, 2)...)
		}
		rejected, ok := errors.AsType[*exporter.RejectedError](table.Observe(all))
		if !ok || rejected.Points != 14 {
			t.Errorf("error = %v, want that 14 points are rejected", rejected)
		}
		observe(t, table, points(exportertest.Series(measurement.UDPRTT, "a", "b", ours.Tags), 1))
		observe(t, table, points(exportertest.Series(measurement.HostClockError, "a", "a", nil), 1))
		if sets, _, _ := table.Size(); sets != 5 {
			t.Errorf("%d label sets, want 3, ours and the host's", sets)
		}
		time.Sleep(6 * time.Minute)
		observe(t, table, all[len(all)-6:])
	})
}

func TestCollisionsOfOtherHostsAreCounted(t *testing.T) {
	table := families.NewTable(families.Config{})
	for range 2 {
		observe(t, table, points(exportertest.Series(measurement.UDPOWD, "a", "b", []string{"isp:a", "isp:b", "le:5"}), 1))
	}
	if _, _, collisions := table.Size(); collisions != 2 {
		t.Errorf("%d collisions, want 2", collisions)
	}
	if got, want := names(t, table)[1], "udp_owd_seconds isp=a,b source=a tag_le=5 target=b"; got != want {
		t.Errorf("series %q, want %q", got, want)
	}
}

func TestForgottenSeriesBeginAnew(t *testing.T) {
	table := families.NewTable(families.Config{})
	s := exportertest.Series(measurement.UDPRTT, "a", "b", nil)
	observe(t, table, points(s, 1, 2))
	table.Forget()
	if got := names(t, table); len(got) > 0 {
		t.Errorf("series %q after Forget, want none", got)
	}
	observe(t, table, points(s, 1))
	if text := textOf(t, gather(t, table)); !strings.Contains(text, `_count{source="a",target="b"} 1`) {
		t.Errorf("got:\n%s\nwant a count of 1", text)
	}
}

// A scrape while points come sees each whole.
func TestTableIsSafeForConcurrentUse(t *testing.T) {
	table := families.NewTable(families.Config{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			_ = table.Observe(exportertest.Points(100))
		}
	}()
	for {
		gather(t, table)
		select {
		case <-done:
			return
		default:
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n, " series"), func(b *testing.B) {
			table, all := manySeries(b, n)
			b.ReportAllocs()
			for b.Loop() {
				observe(b, table, all[:512])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*512), "ns/point")
		})
	}
}

// manySeries makes a table with n series of 100 points each, log-evenly from 10 µs to 10 ms, and 1024
// more points of these.
func manySeries(b *testing.B, n int) (*families.Table, []exporter.Point) {
	table := families.NewTable(families.Config{})
	var series []*exporter.Series
	for i := range n {
		series = append(series, exportertest.Series(measurement.UDPRTT, "a", fmt.Sprint("host-", i), []string{"isp:local", "site:plzen"}))
	}
	var all []exporter.Point
	for i := range max(1024, 100*n) {
		value := 10_000 * math.Pow(1000, float64(i%97)/97)
		all = append(all, points(series[i%n], int64(value))...)
	}
	observe(b, table, all)
	return table, all[len(all)-1024:]
}

func BenchmarkGather(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n, " series"), func(b *testing.B) {
			table, _ := manySeries(b, n)
			b.ReportAllocs()
			for b.Loop() {
				gather(b, table)
			}
		})
	}
}
