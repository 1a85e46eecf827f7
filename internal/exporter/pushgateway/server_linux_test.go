package pushgateway

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/exporter/families/familiestest"
	"github.com/latency-monitor/latency-monitor/internal/serverstest"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func toServer(t *testing.T, gateway string, change func(c *Config)) *Backend {
	t.Helper()
	c := Config{Gateway: gateway, Job: "latency", Instance: "host/a"}
	if change != nil {
		change(&c)
	}
	b, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// scrape reads what the gateway serves, as Prometheus does, with native histograms.
func scrape(t *testing.T, server *serverstest.PushgatewayServer) []*dto.MetricFamily {
	t.Helper()
	format := expfmt.NewFormat(expfmt.TypeProtoDelim)
	r, err := http.NewRequest(http.MethodGet, "http://"+server.Addr+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", string(format))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	decoder := expfmt.NewDecoder(resp.Body, expfmt.ResponseFormat(resp.Header))
	var all []*dto.MetricFamily
	for {
		family := new(dto.MetricFamily)
		err := decoder.Decode(family)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, family)
	}
}

func sumAt(t *testing.T, server *serverstest.PushgatewayServer) func(s *exporter.Series) exportertest.Sum {
	return func(s *exporter.Series) exportertest.Sum {
		return familiestest.Sum(scrape(t, server), s, Grouping, Grouping)
	}
}

func TestGatewayConformance(t *testing.T) {
	exportertest.Run(t, func(t *testing.T) exportertest.Subject {
		server := serverstest.Pushgateway(t)
		return exportertest.Subject{Backend: toServer(t, server.Addr, nil), Summed: sumAt(t, server)}
	})
}

func TestGatewayServesHistogramsAndGauges(t *testing.T) {
	server := serverstest.Pushgateway(t)
	b := toServer(t, server.Addr, func(c *Config) { c.DeleteOnExit = true })
	s := exportertest.Series(measurement.UDPRTT, "a", "b", []string{"isp:local"})
	ctx := context.Background()
	for _, values := range [][]int64{{1_000_000, 2_000_000}, {3_000_000, 1_500_000, -1_000}} {
		for _, v := range values {
			publish(t, b, []exporter.Point{{Series: s, Value: v}})
		}
		if err := b.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	text := server.Metrics(t)
	const labels = `{instance="host/a",isp="local",job="latency",source="a",target="b"}`
	for _, want := range []string{
		"udp_rtt_points" + labels + " 3",
		"udp_rtt_min_seconds" + labels + " -1e-06",
		"udp_rtt_mean_seconds" + labels + " 0.0014996666666666667",
		"udp_rtt_max_seconds" + labels + " 0.003",
		"udp_rtt_last_seconds" + labels + " -1e-06",
		"udp_rtt_seconds_count" + labels + " 5",
		"udp_rtt_negative_total" + labels + " 1",
		"udp_loss_total" + labels + " 0",
	} {
		if !strings.Contains(text, "\nlatency_monitor_"+want+"\n") {
			t.Errorf("the gateway has no line %s", want)
		}
	}
	for _, family := range scrape(t, server) {
		if family.GetName() == "latency_monitor_udp_rtt_seconds" {
			h := family.GetMetric()[0].GetHistogram()
			if len(h.GetBucket()) == 0 || len(h.GetPositiveSpan()) == 0 || len(h.GetNegativeSpan()) == 0 {
				t.Errorf("histogram %v, want both forms", h)
			}
		}
	}
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	// The gateway accepts a deletion at once, and carries it out later.
	waittest.Until(t, "the group to go after Close", func() bool {
		return !strings.Contains(server.Metrics(t), "latency_monitor_")
	})
}

// A gateway that is away at the start, and is killed under load, gets everything in the end.
func TestKilledGatewayGetsEverythingInTheEnd(t *testing.T) {
	server := serverstest.Pushgateway(t)
	server.Kill()
	b := toServer(t, server.Addr, nil)
	pacing := exporter.Pacing{Buffer: 1000, Batch: 512, Interval: 200 * time.Millisecond}
	points, c := exportertest.Load(t, b, pacing, 10, func(counters func() exporter.BackendCounters) {
		waittest.Until(t, "5000 points that wait", func() bool { return counters().Queued > 5000 })
		server.Restart()
		waittest.Until(t, "all that is sent", func() bool { return counters().Sent > 5000 })
		server.Kill()
		sent := counters().Sent
		waittest.Until(t, "another 5000 points that wait", func() bool { return counters().Queued > 5000 })
		server.Restart()
		waittest.Until(t, "those that are sent", func() bool { return counters().Sent > sent+5000 })
	})
	if c.Sent != uint64(len(points)) || c.Dropped+c.Failed+c.Queued != 0 || c.Retries == 0 {
		t.Errorf("counters %+v of %d points, want all sent and retries", c, len(points))
	}
	exportertest.CompareSums(t, sumAt(t, server), points)
}

func TestGatewayGetsAMinuteOfLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("needs to run without -short: takes a minute")
	}
	t.Parallel()
	server := serverstest.Pushgateway(t)
	pacing := exporter.Pacing{Batch: 512, Interval: 5 * time.Second}
	points, c := exportertest.Load(t, toServer(t, server.Addr, nil), pacing, 10,
		func(func() exporter.BackendCounters) { time.Sleep(time.Minute) })
	if c.Sent != uint64(len(points)) || c.Dropped+c.Failed+c.Queued+c.Retries != 0 {
		t.Errorf("counters %+v of %d points, want all sent at the first try", c, len(points))
	}
	exportertest.CompareSums(t, sumAt(t, server), points)
}

// A gateway that stops answering is away, too.
func TestGatewayThatHangsIsAway(t *testing.T) {
	server := serverstest.Pushgateway(t)
	b := toServer(t, server.Addr, nil)
	publish(t, b, exportertest.Points(4))
	server.Pause()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := b.Flush(ctx); err == nil {
		t.Error("Flush to a gateway that hangs = nil")
	}
	server.Resume()
	if err := b.Flush(context.Background()); err != nil {
		t.Error(err)
	}
	exportertest.CompareSums(t, sumAt(t, server), exportertest.Points(4))
}

// guarded puts a check of name and password before the gateway, which has none of its own.
func guarded(t *testing.T, server *serverstest.PushgatewayServer) (address string, refused func() int) {
	t.Helper()
	target, err := url.Parse("http://" + server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	n := 0
	proxy := httputil.NewSingleHostReverseProxy(target)
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:right"))
	guard := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != want {
			mu.Lock()
			n++
			mu.Unlock()
			http.Error(w, "wrong name or password", http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(guard.Close)
	return guard.URL, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func TestWrongPasswordKeepsThePointsToTheEnd(t *testing.T) {
	server := serverstest.Pushgateway(t)
	address, refused := guarded(t, server)
	pacing := exporter.Pacing{Batch: 512, Interval: 100 * time.Millisecond}
	for _, password := range []string{"right", "wrong"} {
		b := toServer(t, address, func(c *Config) { c.Instance, c.Username, c.Password = password, "me", password })
		points, c := exportertest.Load(t, b, pacing, 1, func(counters func() exporter.BackendCounters) {
			waittest.Until(t, "some pushes", func() bool { return counters().Sent > 1000 || counters().Retries > 1 })
		})
		wantSent := uint64(len(points))
		if password == "wrong" {
			wantSent = 0
		}
		if c.Sent != wantSent || c.Sent+c.Dropped != uint64(len(points)) {
			t.Errorf("password %s: counters %+v of %d points, want %d sent and the others dropped", password, c, len(points), wantSent)
		}
		metrics := server.Metrics(t)
		arrived := fmt.Sprintf(`latency_monitor_udp_rtt_seconds_count{instance=%q,job="latency",source="a",target="load-0"} %d`, password, len(points))
		if found := strings.Contains(metrics, arrived); found != (password == "right") {
			t.Errorf("password %s: line %s there: %v", password, arrived, found)
			t.Log(metrics)
		}
	}
	if refused() == 0 {
		t.Error("nothing was refused")
	}
}
