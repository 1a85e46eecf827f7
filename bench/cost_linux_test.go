package bench

import (
	"fmt"
	"testing"
	"time"
)

// What the reference implementation takes to probe over UDP and to answer, in percent of a core, and the probes a
// second that it then sends at an interval of 1 ms. Measured on the development machine, over loopback; it, too,
// printed its points to a file.
const (
	referenceProber    = 28.6
	referenceReflector = 6.4
	referenceRate      = 868
)

// What does it cost to probe 1000 times a second, and to answer that? By what becomes of the points: both daemons
// print them to a file, or sum them up for Prometheus.
func BenchmarkCost(b *testing.B) {
	b.Run("backend=cli", func(b *testing.B) {
		percent, rate := cost(b, func() string { return "" })
		const reference = (referenceProber + referenceReflector) / referenceRate
		b.ReportMetric(percent/rate/reference, "cpu/reference")
	})
	b.Run("backend=prometheus", func(b *testing.B) {
		cost(b, func() string { return scraped(listenAddress(b)) })
	})
}

// cost reports the CPU time and the memory of a prober and of its reflector, each with a backend of its own. It returns
// the CPU time of both, in percent of a core, and the probes a second.
func cost(b *testing.B, backend func() string) (percent, rate float64) {
	port, other := freePort(b), freePort(b)
	reflector := start(b, spec{name: "reflector", config: fmt.Sprintf("tcp = false\nudp_port = %d\n", port) + backend()})
	prober := start(b, spec{name: "prober", config: fmt.Sprintf(
		"tcp = false\nudp_port = %d\ninterval = 1\n[[targets]]\nhost = \"127.0.0.1\"\nudp_port = %d\nlabel = \"reflector\"\n",
		other, port) + backend()})
	time.Sleep(warmUp)
	began, probing, reflecting := time.Now(), prober.cpu(), reflector.cpu()
	time.Sleep(*span)
	elapsed := time.Since(began)
	ofCore := func(cpu time.Duration) float64 { return 100 * cpu.Seconds() / elapsed.Seconds() }
	probing, reflecting = prober.cpu()-probing, reflector.cpu()-reflecting
	b.ReportMetric(ofCore(probing), "prober-cpu-%")
	b.ReportMetric(ofCore(reflecting), "reflector-cpu-%")
	b.ReportMetric(float64(prober.rss())/1e6, "prober-rss-MB")
	b.ReportMetric(float64(reflector.rss())/1e6, "reflector-rss-MB")
	skipped := prober.stop().skipped() // of its whole life, of which the span is the most
	reflector.stop()
	rate = 1000 * (1 - skipped)
	b.ReportMetric(skipped, "skipped/slot")
	b.ReportMetric(rate, "probes/s")
	return ofCore(probing + reflecting), rate
}
