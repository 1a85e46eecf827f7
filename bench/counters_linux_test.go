package bench

import (
	"bytes"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// counters are the daemon's own counters, by name.
type counters map[string]float64

// skipped is in what share of all slots no probe left.
func (c counters) skipped() float64 {
	return c["slots_skipped"] / (c["slots_sent"] + c["slots_skipped"])
}

// sub is what was counted since earlier.
func (c counters) sub(earlier counters) counters {
	diff := counters{}
	for name, n := range c {
		diff[name] = n - earlier[name]
	}
	return diff
}

var counterField = regexp.MustCompile(` ([a-z_]+)=([0-9]+)\b`)

// lastCounters are the numbers in the last line of counters in a log.
func lastCounters(b testing.TB, log []byte) counters {
	b.Helper()
	i := bytes.LastIndex(log, []byte(" INFO counters "))
	if i < 0 {
		b.Fatalf("no counters in the log:\n%s", log)
	}
	line, _, _ := bytes.Cut(log[i:], []byte("\n"))
	c := counters{}
	for _, field := range counterField.FindAllSubmatch(line, -1) {
		n, err := strconv.ParseFloat(string(field[2]), 64)
		if err != nil {
			b.Fatal(err)
		}
		c[string(field[1])] = n
	}
	return c
}

// web is for a daemon that should answer at once.
var web = http.Client{Timeout: patience}

// families reads what a daemon on this host serves whose prometheus backend listens there.
func families(b testing.TB, listen string) map[string]*dto.MetricFamily {
	b.Helper()
	response, err := web.Get("http://" + listen + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	return families
}

// owds is how many one-way delays of probes over UDP a daemon has made points of, told by its prometheus backend.
func owds(b testing.TB, listen string) float64 {
	b.Helper()
	total := uint64(0)
	if family := families(b, listen)["latency_monitor_udp_owd_seconds"]; family != nil {
		for _, metric := range family.Metric {
			total += metric.GetHistogram().GetSampleCount()
		}
	}
	return float64(total)
}

// goroutines is how many the process has that serves this.
func goroutines(b testing.TB, listen string) float64 {
	b.Helper()
	family := families(b, listen)["go_goroutines"]
	if family == nil || len(family.Metric) != 1 {
		b.Fatalf("%s: no go_goroutines", listen)
	}
	return family.Metric[0].GetGauge().GetValue()
}

// scrape reads the counters of a daemon on this host whose prometheus backend listens there, by the names that
// the log has for them.
func scrape(b testing.TB, listen string) counters {
	b.Helper()
	c := counters{}
	for name, family := range families(b, listen) {
		short, ours := strings.CutPrefix(strings.TrimSuffix(name, "_total"), "latency_monitor_")
		if metrics := family.Metric; ours && len(metrics) == 1 && len(metrics[0].Label) == 0 && metrics[0].Counter != nil {
			c[short] = metrics[0].Counter.GetValue()
		}
	}
	for name, n := range c {
		if strings.HasPrefix(name, "skipped_") {
			c["slots_skipped"] += n
		}
	}
	return c
}
