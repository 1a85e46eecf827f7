package main_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// scrape gets what the endpoint at the address serves.
func scrape(t *testing.T, address, path string) (status int, text string) {
	t.Helper()
	client := http.Client{Timeout: waittest.Patience()}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + address + path)
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

// scraped is the value of a line of an exposition: of the name with its labels, sorted.
func scraped(t *testing.T, text, series string) int {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(text)
	if found == nil {
		t.Errorf("no line %s in:\n%s", series, text)
		return 0
	}
	value, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Error(err)
	}
	return int(value)
}

// A daemon that probes itself serves what it prints.
func TestPrometheusEndpointServesWhatIsMeasured(t *testing.T) {
	bothWays(t, testPrometheusEndpointServesWhatIsMeasured)
}

func testPrometheusEndpointServesWhatIsMeasured(t *testing.T, m mode) {
	port, _ := freePorts(t)
	address := fmt.Sprintf("%s:%d", loopback, port)
	config := "tags = [\"isp:local\", \"backup\"]\n" + probeItself(t) + fmt.Sprintf(`
[[metrics]]
backend = "prometheus"
listen = %q
[[metrics]]
backend = "cli"
`, address)
	p := start(t, spec{mode: m, on: netnstest.ThisHost{}, name: "itself", config: config})
	p.waitPoints(100, delays...)
	p.wait("the host's clock", func(o *output) bool { return o.counts["host.clock.error"] > 0 })

	if status, _ := scrape(t, address, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: status %d, want 200", status)
	}
	before := map[string]int{}
	p.update(func() {
		for _, metric := range delays {
			before[metric] = p.out.counts[metric]
		}
	})
	p.waitMore(100, delays...) // so that those before are in the histograms
	_, text := scrape(t, address, "/metrics")
	const labels = `{backup="true",isp="local",source="itself",target="itself"}`
	for _, metric := range delays {
		name := "latency_monitor_" + strings.ReplaceAll(strings.Replace(metric, ".wan", "", 1), ".", "_") + "_seconds_count"
		if got := scraped(t, text, name+labels); got < before[metric] {
			t.Errorf("%s = %d, want %d or more", name, got, before[metric])
		}
	}
	for _, name := range []string{"slots_sent_total", "answered_total", "probes_received_total", "lateness_seconds_count"} {
		if got := scraped(t, text, "latency_monitor_"+name); got < 100 {
			t.Errorf("%s = %d, want 100 or more", name, got)
		}
	}
	if got := scraped(t, text, "latency_monitor_udp_loss_total"+labels); got != 0 {
		t.Errorf("%d losses, want 0", got)
	}
	scraped(t, text, `latency_monitor_host_clock_error_seconds{source="itself",target="itself"}`)
	if !strings.Contains(text, `latency_monitor_build_info{goversion="go1`) || !strings.Contains(text, `version="`+testVersion+`"} 1`) {
		t.Error("no build info with the version")
	}
	out, counters := p.stop()
	counters.want("prometheus_sent", len(out.points), "cli_sent", len(out.points), "export_dropped", 0)
}

// Whoever looks after the daemon by /readyz must see that nothing is measured.
func TestDaemonIsNotReadyWhileItsEngineProcessStandsStill(t *testing.T) {
	port, _ := freePorts(t)
	address := fmt.Sprintf("%s:%d", loopback, port)
	config, _, _ := onLoopback(t)
	p := start(t, spec{mode: isolated, on: netnstest.ThisHost{}, name: "a",
		config: config + fmt.Sprintf("[metrics]\nbackend = \"prometheus\"\nlisten = %q\n", address)})
	ready := func(want int) (text string) {
		t.Helper()
		for deadline := time.Now().Add(waittest.Patience()); ; time.Sleep(50 * time.Millisecond) {
			status, text := scrape(t, address, "/readyz")
			if status == want {
				return text
			}
			if time.Now().After(deadline) {
				t.Fatalf("/readyz: status %d, %s, want %d", status, text, want)
			}
		}
	}
	ready(http.StatusOK)
	engine := p.engineProcess()
	if err := unix.Kill(engine, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if text, want := ready(http.StatusServiceUnavailable), fmt.Sprintf("not measuring: engine process %d stands still\n", engine); text != want {
		t.Errorf("/readyz: %q, want %q", text, want)
	}
	kill(t, engine)
	p.waitNextEngine(1)
	ready(http.StatusOK)
	p.signal(unix.SIGTERM)
	p.end()
}

func TestPrometheusPortInUseEndsTheStart(t *testing.T) {
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config, _, _ := onLoopback(t)
	config += fmt.Sprintf("[metrics]\nbackend = \"prometheus\"\nlisten = %q\n", l.Addr())
	runToEnd(t, config).checkRefused(t, 1,
		fmt.Sprintf("backend prometheus: listen tcp %s: bind: address already in use", l.Addr()))
}

// What needs root is done before the daemon becomes somebody else.
func TestPrometheusPortIsOpenedAsRoot(t *testing.T) {
	needsRoot(t, "open a port below 1024")
	port := 0
	for range 100 {
		if port = 700 + rand.N(200); portIsFree(port) {
			break
		}
	}
	address := fmt.Sprintf("%s:%d", loopback, port)
	config, _, _ := onLoopback(t)
	config += fmt.Sprintf("user = \"nobody\"\n[metrics]\nbackend = \"prometheus\"\nlisten = %q\n", address)
	p := start(t, spec{mode: isolated, on: netnstest.ThisHost{}, name: "a", config: config})
	if status, text := scrape(t, address, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: status %d, %s, want 200", status, text)
	}
	if status, text := scrape(t, address, "/metrics"); status != http.StatusOK || !strings.Contains(text, "process_resident_memory_bytes") {
		t.Errorf("/metrics: status %d, want 200 and those of the process", status)
	}
	p.stop()
}
