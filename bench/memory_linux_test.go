package bench

import (
	"fmt"
	"testing"
	"time"
)

// How much memory does a daemon with many targets take, as most daemons are: probing over UDP and TCP once a second,
// scraped by Prometheus? Its two processes run the same file, and its pages count in the resident memory of both:
// pss-MB is what they really take. The rings in the memory that they share become resident as points first go round
// in them, which takes minutes; rss-at-last-MB is with all of that.
func BenchmarkMemory(b *testing.B) {
	for _, c := range []struct {
		targets int
		engine  string
	}{{1, ""}, {100, ""}, {100, "[engine]\nisolate = false\n"}} {
		name := fmt.Sprintf("targets=%d", c.targets)
		if c.engine != "" {
			name += "/isolate=false"
		}
		b.Run(name, func(b *testing.B) { memory(b, c.targets, c.engine) })
	}
}

func memory(b *testing.B, targets int, engine string) {
	udp, tcp, listen := freePort(b), freePort(b), listenAddress(b)
	reflector := start(b, spec{name: "reflector", config: fmt.Sprintf("udp_port = %d\ntcp_port = %d\n", udp, tcp)})
	config := fmt.Sprintf("udp_port = %d\ntcp_port = %d\n", freePort(b), freePort(b)) + engine + scraped(listen)
	for i := range targets {
		config += fmt.Sprintf("[[targets]]\nhost = \"127.0.1.%d\"\nudp_port = %d\ntcp_port = %d\nlabel = \"host-%d\"\ntags = [\"isp:local\"]\n",
			1+i, udp, tcp, i)
	}
	prober := start(b, spec{name: "prober", config: config})
	time.Sleep(warmUp)
	for began := time.Now(); time.Since(began) < *span; time.Sleep(*span / 10) {
		scrape(b, listen) // makes garbage
	}
	if answered := scrape(b, listen)["answered"]; answered < float64(targets) {
		b.Errorf("%v probes to %d targets answered, want at least one each\n%s", answered, targets, prober.logged())
	}
	total := usage{}
	uses := prober.uses()
	for i, u := range uses {
		total.rss, total.pss, total.untouched = total.rss+u.rss, total.pss+u.pss, total.untouched+u.untouched
		if len(uses) == 2 {
			b.ReportMetric(float64(u.rss)/1e6, [...]string{"exporter", "engine"}[i]+"-rss-MB")
		}
	}
	b.ReportMetric(float64(total.rss)/1e6, "rss-MB")
	b.ReportMetric(float64(total.pss)/1e6, "pss-MB")
	if len(uses) == 2 { // else the rings are of the process's own memory, where nobody can tell what is to come
		b.ReportMetric(float64(total.rss+total.untouched)/1e6, "rss-at-last-MB")
	}
	prober.stop()
	reflector.stop()
}
