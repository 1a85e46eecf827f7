package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// How long after its start does a daemon probe, and how long until its log says so? Beside it what any start of the
// program takes: one that shows its version and ends.
func BenchmarkStartUp(b *testing.B) {
	binary, err := program()
	if err != nil {
		b.Fatal(err)
	}
	target, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer target.Close()
	config := filepath.Join(b.TempDir(), "prober.toml")
	text := fmt.Sprintf("tcp = false\nudp_port = %d\ninterval = 1\n[[targets]]\nhost = \"127.0.0.1\"\nudp_port = %d\n",
		freePort(b), target.LocalAddr().(*net.UDPAddr).Port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	var version, probed, logged []time.Duration
	for began := time.Now(); len(version) < 3 || time.Since(began) < *span; {
		version = append(version, timeToEnd(b, binary))
		first, started := timeToProbe(b, target, binary, config)
		probed, logged = append(probed, first), append(logged, started)
	}
	for name, durations := range map[string][]time.Duration{"version": version, "first-probe": probed, "started": logged} {
		slices.Sort(durations)
		b.ReportMetric(float64(quantile(durations, 0.5)), name+"-p50-ns")
		b.ReportMetric(float64(quantile(durations, 1)), name+"-max-ns")
	}
	b.ReportMetric(float64(quantile(probed, 0.5))/float64(quantile(version, 0.5)), "first-probe-p50/version")
}

// timeToEnd is how long the program takes to show its version.
func timeToEnd(b *testing.B, binary string) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	if err := exec.CommandContext(ctx, binary, "--version").Run(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// timeToProbe starts a daemon, and returns how long it took until the target had a probe, and until the log said that
// it measures.
func timeToProbe(b *testing.B, target *net.UDPConn, binary, config string) (probed, logged time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	drain(b, target)
	log := &watched{text: " started ", seen: make(chan time.Time, 1)}
	cmd := exec.CommandContext(ctx, binary, "-c", config)
	cmd.Stderr, cmd.WaitDelay = log, time.Second
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGKILL) }
	began := time.Now()
	if err := startChild(cmd); err != nil {
		b.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait()
	}()
	if err := target.SetReadDeadline(began.Add(patience)); err != nil {
		b.Fatal(err)
	}
	if _, err := target.Read(make([]byte, 1500)); err != nil {
		b.Fatalf("no probe: %v\n%s", err, log)
	}
	probed = time.Since(began)
	select {
	case at := <-log.seen:
		return probed, at.Sub(began)
	case <-ctx.Done():
		b.Fatalf("no %q in the log:\n%s", log.text, log)
		return 0, 0
	}
}

// drain throws away what the last daemon sent.
func drain(b *testing.B, target *net.UDPConn) {
	b.Helper()
	for buf := make([]byte, 1500); ; {
		if err := target.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			b.Fatal(err)
		}
		if _, err := target.Read(buf); err != nil {
			return
		}
	}
}

// watched is a log that tells when it has a text.
type watched struct {
	text string
	seen chan time.Time

	mu  sync.Mutex
	all []byte
}

var _ io.Writer = (*watched)(nil)

// Write implements io.Writer.
func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := bytes.Contains(w.all, []byte(w.text))
	w.all = append(w.all, p...)
	if !before && bytes.Contains(w.all, []byte(w.text)) {
		w.seen <- time.Now()
	}
	return len(p), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.all)
}
