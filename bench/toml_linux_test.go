package bench

import (
	"fmt"
	"testing"
	"time"
)

// answering is the beginning of a configuration: a daemon that answers all probes of this host, however many.
func answering(port int) string {
	return fmt.Sprintf("tcp = false\nudp_port = %d\nrate_limit = 0\nmax_sessions = 10000\n", port)
}

// every is how often a daemon probes.
func every(interval time.Duration) string {
	return fmt.Sprintf("interval = %v\n", interval.Seconds()*1000)
}

// printed is the backend that prints points, scraped the one for Prometheus.
const printed = "[[metrics]]\nbackend = \"cli\"\n"

func scraped(listen string) string {
	return fmt.Sprintf("[[metrics]]\nbackend = \"prometheus\"\nlisten = %q\n", listen)
}

// listenAddress is free on this host.
func listenAddress(b testing.TB) string {
	b.Helper()
	return fmt.Sprintf("127.0.0.1:%d", freePort(b))
}
