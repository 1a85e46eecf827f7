package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// program is the binary that `make build` makes, built once per run.
var program = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(builds, "latency-monitor")
	out, err := exec.Command("make", "-C", "..", "--no-print-directory", "build", "BIN="+binary).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("make build: %w\n%s", err, out)
	}
	return binary, nil
})

// spec is a daemon to start.
type spec struct {
	on     netnstest.Place // nil: this host
	name   string          // what it is called
	config string          // in TOML
}

// daemon is the program as a user runs it: with a configuration file, and both of its processes.
type daemon struct {
	b        testing.TB
	name     string
	cmd      *exec.Cmd
	out, log *os.File
}

// start starts a daemon and returns when it measures. It is stopped at the end of the benchmark at the latest.
func start(b testing.TB, s spec) *daemon {
	b.Helper()
	binary, err := program()
	if err != nil {
		b.Fatal(err)
	}
	d := &daemon{b: b, name: s.name, out: create(b, s.name+".out"), log: create(b, s.name+".log")}
	config := filepath.Join(filepath.Dir(d.out.Name()), s.name+".toml")
	if err := os.WriteFile(config, []byte(s.config), 0o600); err != nil {
		b.Fatal(err)
	}
	if s.on == nil {
		s.on = netnstest.ThisHost{}
	}
	d.cmd = s.on.Command(context.Background(), binary, "-c", config, "-n", s.name)
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.log
	if err := startChild(d.cmd); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(d.kill)
	d.waitLogged(" started ")
	return d
}

func create(b testing.TB, name string) *os.File {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), name))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

// kill ends a daemon that was not stopped, and shows the log of one that failed.
func (d *daemon) kill() {
	if d.cmd.ProcessState != nil {
		return
	}
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
	d.b.Logf("log of %s:\n%s", d.name, d.logged())
}

func (d *daemon) logged() []byte {
	text, err := os.ReadFile(d.log.Name())
	if err != nil {
		d.b.Fatal(err)
	}
	return text
}

// waitLogged waits until the log has a line with the text.
func (d *daemon) waitLogged(text string) {
	d.b.Helper()
	d.waitLogs(text, 1)
}

// waitLogs waits until the log has n lines with the text.
func (d *daemon) waitLogs(text string, n int) {
	d.b.Helper()
	for deadline := time.Now().Add(patience); bytes.Count(d.logged(), []byte(text)) < n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.b.Fatalf("%s: no %d times %q in its log:\n%s", d.name, n, text, d.logged())
		}
	}
}

// stop ends the daemon as an operator does, and returns the counters that its log ends with. One that does not end is
// killed, which fails the benchmark.
func (d *daemon) stop() counters {
	d.b.Helper()
	impatient := time.AfterFunc(patience, func() { _ = d.cmd.Process.Kill() })
	defer impatient.Stop()
	if err := d.cmd.Process.Signal(unix.SIGTERM); err != nil {
		d.b.Fatalf("%s: %v\n%s", d.name, err, d.logged())
	}
	if err := d.cmd.Wait(); err != nil {
		d.b.Fatalf("%s: %v\n%s", d.name, err, d.logged())
	}
	return lastCounters(d.b, d.logged())
}

// points are what a daemon with the cli backend printed so far, in its order, but for the error of the clock.
func (d *daemon) points() []exportertest.Got {
	d.b.Helper()
	f, err := os.Open(d.out.Name())
	if err != nil {
		d.b.Fatal(err)
	}
	defer f.Close()
	var points []exportertest.Got
	for lines := bufio.NewScanner(f); lines.Scan(); {
		p, err := exportertest.ParseLine(lines.Bytes())
		if err != nil {
			d.b.Fatal(err)
		}
		if p.Metric != "host.clock.error" {
			points = append(points, p)
		}
	}
	return points
}

// freePort is a port that nobody on this host uses, over UDP and TCP. It is none of those that the system gives to
// sockets without a port (ip_local_port_range, see ip(7)): other programs' sockets come and go there all the time.
func freePort(b testing.TB) int {
	b.Helper()
	for range 1000 {
		port := 10000 + rand.IntN(20000)
		if free(port) {
			return port
		}
	}
	b.Fatal("no free port")
	return 0
}

func free(port int) bool {
	address := fmt.Sprintf(":%d", port)
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer l.Close()
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	return c.Close() == nil
}
