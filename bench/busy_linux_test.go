package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

const (
	// floodSources is how many sessions flood a daemon, each with labels of its own in Prometheus.
	floodSources = 1000
	// floodInterval makes 5000 probes a second of these: as many as give the exporter something to do at all times,
	// and few enough that it is not receiving and answering that takes the CPU.
	floodInterval = "200"
	// scrapers take turns so that the exporter never waits for one.
	scrapers = 2
)

// busy keeps one core busy, and the exporter of a daemon at full load, until the returned function is called.
//
// One point costs the exporter about a microsecond, so no number of probes that this machine could send beside it
// would fill a core. What does is what Prometheus does: 1000 label sets, whose points come from another daemon, are
// scraped without a pause, as if dozens of servers did so. The daemon's parent process then encodes, compresses and
// collects garbage on one core or more.
func busy(b *testing.B, port int, listen string) (stop func()) {
	b.Helper()
	stopBurning := burn(b)
	flood := start(b, spec{name: "flood", config: floodConfig(b, port)})
	ctx, cancel := context.WithCancel(context.Background())
	var scraping sync.WaitGroup
	for range scrapers {
		scraping.Go(func() { scrapeOn(ctx, listen) })
	}
	return func() {
		b.Helper()
		cancel()
		scraping.Wait()
		flood.stop()
		stopBurning()
	}
}

// floodConfig is of a daemon that probes one port of this host in many sessions, and asks for no replies.
func floodConfig(b *testing.B, port int) string {
	b.Helper()
	var toml strings.Builder
	fmt.Fprintf(&toml, "tcp = false\nudp_port = %d\nrtt = false\nprotocol = \"stamp\"\ninterval = %s\n", freePort(b), floodInterval)
	for i := range floodSources {
		fmt.Fprintf(&toml, "[[targets]]\nhost = %q\nudp_port = %d\ntags = [\"path:%d\"]\n", loopback(i), port, i)
	}
	return toml.String()
}

// burn keeps one CPU busy, not always the same, at the priority that everybody has. The limit is for the case that
// nobody is left to end it.
func burn(b *testing.B) (stop func()) {
	b.Helper()
	seconds := int((*span + patience).Seconds())
	cmd := exec.Command("sh", "-c", fmt.Sprintf("ulimit -t %d; while :; do :; done", seconds))
	if err := startChild(cmd); err != nil {
		b.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	b.Cleanup(stop)
	return stop
}

// scrapeOn scrapes without a pause. Like Prometheus it asks for compressed text; it does not look at it.
func scrapeOn(ctx context.Context, listen string) {
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/metrics", nil)
		if err != nil {
			return
		}
		request.Header.Set("Accept-Encoding", "gzip")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return // the daemon has gone, or ctx is done
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}
