package bench

import (
	"fmt"
	"testing"
	"time"
)

// What does it cost to probe 1000 times a second, and to answer that? Both daemons print their points to a file.
func BenchmarkCost(b *testing.B) {
	port, other := freePort(b), freePort(b)
	reflector := start(b, spec{name: "reflector", config: fmt.Sprintf("tcp = false\nudp_port = %d\n", port)})
	prober := start(b, spec{name: "prober", config: fmt.Sprintf(
		"tcp = false\nudp_port = %d\ninterval = 1\n[[targets]]\nhost = \"127.0.0.1\"\nudp_port = %d\nlabel = \"reflector\"\n", other, port)})
	time.Sleep(warmUp)
	began, probing, reflecting := time.Now(), prober.cpu(), reflector.cpu()
	time.Sleep(*span)
	seconds := time.Since(began).Seconds()
	b.ReportMetric(100*(prober.cpu()-probing).Seconds()/seconds, "prober-cpu-%")
	b.ReportMetric(100*(reflector.cpu()-reflecting).Seconds()/seconds, "reflector-cpu-%")
	b.ReportMetric(float64(prober.rss())/1e6, "prober-rss-MB")
	b.ReportMetric(float64(reflector.rss())/1e6, "reflector-rss-MB")
	c := prober.stop()
	reflector.stop()
	b.ReportMetric(c.skipped(), "skipped/slot")
}
