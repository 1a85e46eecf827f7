package prometheus

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/exporter/families/familiestest"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

var update = flag.Bool("update", false, "write the golden files anew")

// open makes a backend at a free port of the loopback address.
func open(t testing.TB, c Config) *Backend {
	t.Helper()
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Begun == nil {
		c.Begun = func() bool { return true }
	}
	if c.Trouble == nil {
		c.Trouble = func() error { return nil }
	}
	if c.Totals == nil {
		c.Totals = func() selfstats.Totals { return selfstats.Totals{} }
	}
	if c.Counters == nil {
		c.Counters = func() exporter.Counters { return exporter.Counters{} }
	}
	b, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	return b
}

// get makes a request and returns status and body.
func get(t testing.TB, b *Backend, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://%s%s", b.Addr(), path))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func publish(t testing.TB, b *Backend, points []exporter.Point) {
	t.Helper()
	if err := errors.Join(b.Publish(context.Background(), points), b.Flush(context.Background())); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	exportertest.Run(t, func(t *testing.T) exportertest.Subject {
		b := open(t, Config{})
		return exportertest.Subject{Backend: b, Summed: func(s *exporter.Series) exportertest.Sum {
			all, err := b.registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			return familiestest.Sum(all, s, nil, nil)
		}}
	})
}

// ownLines are the lines of an exposition that are neither of Go's nor the process's; untouched are those
// of own counters that are 0.
var (
	ownLines  = regexp.MustCompile(`(?m)^(# (HELP|TYPE) )?latency_monitor_.*\n`)
	untouched = regexp.MustCompile(`# HELP .* The daemon's own counter .*\n# TYPE .*\n.* 0\n`)
)

func TestExpositionHasSeriesAndOwnCounters(t *testing.T) {
	var loop selfstats.Block
	loop.Add(selfstats.SlotsSent, 3)
	loop.Add(selfstats.ProbesLost, 2)
	for _, late := range []time.Duration{7, 90 * time.Microsecond, 3 * time.Millisecond} {
		loop.Late(late)
	}
	b := open(t, Config{
		Version: "v1.2.3",
		Totals:  func() selfstats.Totals { return selfstats.Sum([]*selfstats.Block{&loop}) },
		Counters: func() exporter.Counters {
			return exporter.Counters{RingDropped: 1, Backends: []exporter.BackendCounters{
				{Name: "cli", Sent: 5, Queued: 1, Own: []exporter.Counter{{Name: "readers", Value: 3}}}, {Name: "prometheus", Sent: 6, Dropped: 1, Failed: 2, Retries: 3},
			}}
		},
	})
	b.Start()
	publish(t, b, []exporter.Point{
		{Series: exportertest.Series(measurement.UDPRTT, "a", "b", []string{"isp:local"}), Value: 250_000},
		{Series: exportertest.Series(measurement.UDPRTT, "a", "c", nil), Value: 250_000},
	})
	status, body := get(t, b, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	for _, other := range []string{"go_goroutines ", "process_start_time_seconds ", "promhttp_metric_handler_errors_total{"} {
		if !strings.Contains(body, "\n"+other) {
			t.Errorf("there is no %s", other)
		}
	}
	for c := range selfstats.NumCounters {
		if line := fmt.Sprintf("\nlatency_monitor_%s_total %d\n", c, loop.Get(c)); !strings.Contains(body, line) {
			t.Errorf("there is no line %q", line)
		}
	}
	got := untouched.ReplaceAllString(strings.Join(ownLines.FindAllString(body, -1), ""), "")
	got = regexp.MustCompile(`goversion="[^"]*"`).ReplaceAllString(got, `goversion="go"`)
	golden := filepath.Join("testdata", "metrics.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestReadyWhenMeasuring(t *testing.T) {
	var measures atomic.Bool
	var trouble atomic.Pointer[string]
	why := func() error {
		if text := trouble.Load(); text != nil {
			return errors.New(*text)
		}
		return nil
	}
	b := open(t, Config{Begun: measures.Load, Trouble: why, Totals: func() selfstats.Totals {
		if !measures.Load() {
			t.Error("totals were asked for before there are any")
		}
		return selfstats.Totals{}
	}})
	b.Start()
	check := func(path string, want int) {
		t.Helper()
		if status, body := get(t, b, path); status != want {
			t.Errorf("%s: status %d, want %d:\n%s", path, status, want, body)
		}
	}
	check("/healthz", http.StatusOK)
	check("/readyz", http.StatusServiceUnavailable)
	check("/metrics", http.StatusOK)
	measures.Store(true)
	check("/readyz", http.StatusOK)
	check("/healthz", http.StatusOK)
	check("/metrics", http.StatusOK)
	stopped := "engine process 407 stands still"
	trouble.Store(&stopped)
	check("/healthz", http.StatusOK)
	check("/metrics", http.StatusOK)
	if status, body := get(t, b, "/readyz"); status != http.StatusServiceUnavailable || body != "not measuring: "+stopped+"\n" {
		t.Errorf("/readyz: status %d, %q, want 503 and why", status, body)
	}
	trouble.Store(nil)
	check("/readyz", http.StatusOK)
	check("/", http.StatusNotFound)
	if resp, err := http.Post(fmt.Sprintf("http://%s/metrics", b.Addr()), "", nil); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v, %v, want status 405", resp, err)
	}
}

func TestPortInUseIsAnErrorThatNamesIt(t *testing.T) {
	taken := open(t, Config{})
	address := taken.Addr().String()
	_, err := New(Config{Listen: address})
	if err == nil || !strings.Contains(err.Error(), "backend prometheus: listen tcp "+address+": ") {
		t.Errorf("New at a port in use = %v, want an error with the address %s", err, address)
	}
}

func TestNothingIsServedBeforeStart(t *testing.T) {
	b := open(t, Config{})
	conn, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read before Start = %d, %v, want nothing", n, err)
	}
	b.Start()
	conn.SetReadDeadline(time.Now().Add(waittest.Patience()))
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Errorf("read after Start: %v", err)
	}
}

// Close does not wait for a client that sends half a request, and none can connect any more.
func TestCloseEndsConnections(t *testing.T) {
	b := open(t, Config{})
	b.Start()
	conn, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /metrics HT"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := b.Close(context.Background()); err != nil {
		t.Errorf("Close = %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("Close took %v", took)
	}
	if conn, err := net.Dial("tcp", b.Addr().String()); err == nil {
		conn.Close()
		t.Error("a connection is accepted after Close")
	}
}

func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n, " series"), func(b *testing.B) {
			backend := open(b, Config{})
			backend.Start()
			for i := range n {
				s := exportertest.Series(measurement.UDPRTT, "a", fmt.Sprint("host-", i), []string{"isp:local"})
				for value := int64(10_000); value < 10_000_000; value += value / 10 {
					publish(b, backend, []exporter.Point{{Series: s, Value: value}})
				}
			}
			b.ReportAllocs()
			octets := 0
			for b.Loop() {
				_, body := get(b, backend, "/metrics")
				octets = len(body)
			}
			b.ReportMetric(float64(octets), "octets")
		})
	}
}

// BenchmarkPublishDuringScrapes asks what scrapes in a row cost the exporter.
func BenchmarkPublishDuringScrapes(b *testing.B) {
	for _, scrapers := range []int{0, 1} {
		b.Run(fmt.Sprint(scrapers, " scrapers"), func(b *testing.B) {
			backend := open(b, Config{})
			backend.Start()
			var points []exporter.Point
			for i := range 1000 {
				s := exportertest.Series(measurement.UDPRTT, "a", fmt.Sprint("host-", i), []string{"isp:local"})
				points = append(points, exporter.Point{Series: s, Value: int64(10_000 + 1000*i)})
			}
			publish(b, backend, points)
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() {
				defer close(done)
				for scrapers > 0 && ctx.Err() == nil {
					get(b, backend, "/metrics")
				}
			}()
			var longest time.Duration
			for b.Loop() {
				began := time.Now()
				publish(b, backend, points[:512])
				longest = max(longest, time.Since(began))
			}
			cancel()
			<-done
			b.ReportMetric(float64(longest.Microseconds()), "µs-longest")
		})
	}
}
