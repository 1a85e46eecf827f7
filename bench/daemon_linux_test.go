package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
)

// place is where a program runs: a host of a netnstest.Lab, or this one.
type place interface {
	Command(ctx context.Context, name string, args ...string) *exec.Cmd
}

type thisHost struct{}

// Command implements place.
func (thisHost) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, name, args...)
}

// patience is how long a program may take to do what it does at once on an idle machine.
const patience = 30 * time.Second

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
	on     place  // nil: this host
	name   string // what it is called
	config string // in TOML
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
		s.on = thisHost{}
	}
	d.cmd = s.on.Command(context.Background(), binary, "-c", config, "-n", s.name)
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.log
	if err := d.cmd.Start(); err != nil {
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

// stop ends the daemon as an operator does, and returns the counters that its log ends with.
func (d *daemon) stop() counters {
	d.b.Helper()
	if err := d.cmd.Process.Signal(unix.SIGTERM); err != nil {
		d.b.Fatalf("%s: %v\n%s", d.name, err, d.logged())
	}
	if err := d.cmd.Wait(); err != nil {
		d.b.Fatalf("%s: %v\n%s", d.name, err, d.logged())
	}
	return lastCounters(d.b, d.logged())
}

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

// processes are the daemon and its engine process, which may be the child of any of its threads.
func (d *daemon) processes() []int {
	d.b.Helper()
	pid := d.cmd.Process.Pid
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		d.b.Fatal(err)
	}
	pids := []int{pid}
	for _, thread := range threads {
		children, err := os.ReadFile(thread)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			d.b.Fatal(err)
		}
		for _, child := range strings.Fields(string(children)) {
			n, err := strconv.Atoi(child)
			if err != nil {
				d.b.Fatal(err)
			}
			pids = append(pids, n)
		}
	}
	return pids
}

// tick is the unit of times in /proc/PID/stat (proc(5)): sysconf(_SC_CLK_TCK), which is 100 on Linux.
const tick = 10 * time.Millisecond

// cpu is how long the daemon's processes have run so far, to a hundredth of a second.
func (d *daemon) cpu() time.Duration {
	d.b.Helper()
	total := time.Duration(0)
	for _, pid := range d.processes() {
		total += processCPU(d.b, pid)
	}
	return total
}

// processCPU is how long one process has run so far.
func processCPU(b testing.TB, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after) // the third of proc_pid_stat(5) first
	total := time.Duration(0)
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(n) * tick
	}
	return total
}

// rss is the resident memory of the daemon's processes, in octets. What they share counts twice.
func (d *daemon) rss() int64 {
	d.b.Helper()
	total := int64(0)
	for _, pid := range d.processes() {
		statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			d.b.Fatal(err)
		}
		pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
		if err != nil {
			d.b.Fatal(err)
		}
		total += pages * int64(os.Getpagesize())
	}
	return total
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
