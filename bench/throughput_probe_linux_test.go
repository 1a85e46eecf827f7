package bench

import (
	"fmt"
	"testing"
	"time"
)

// throughputOfProber has a daemon probe as much as it can, and counts the answers. Its threads and those of the
// reflector share two CPUs with its exporter: what counts is the time that the threads of the prober ran.
func throughputOfProber(b *testing.B, size int) {
	answering, cpu := twoCPUs(b)
	port, listen := freePort(b), listenAddress(b)
	reflector := start(b, spec{name: "reflector", config: fmt.Sprintf("tcp = false\nudp_port = %d\nrate_limit = 0\n"+
		"[engine]\ncpus = [%d]\n[metrics]\nbackend = \"prometheus\"\nlisten = %q\n", port, answering, listenAddress(b))})
	config := fmt.Sprintf("tcp = false\nprotocol = \"stamp\"\ninterval = 0.1\nsize = %d\nudp_port = %d\n"+
		"[engine]\ncpus = [%d]\n[metrics]\nbackend = \"prometheus\"\nlisten = %q\n", size, freePort(b), cpu, listen)
	for i := range saturating {
		config += fmt.Sprintf("[[targets]]\nhost = \"127.2.0.%d\"\nudp_port = %d\n", i+1, port)
	}
	m := meter{daemon: start(b, spec{name: "prober", config: config}), listen: listen, parent: true}
	m.counts("answered")
	time.Sleep(warmUp)
	done := m.measure(func() { time.Sleep(*span) })
	c := m.stop()
	reflector.stop()
	done.report(b, "")
	b.ReportMetric(c["ring_dropped"]/c["answered"], "dropped/point")
	b.ReportMetric(c["lost"]/c["slots_sent"], "lost/probe")
}
