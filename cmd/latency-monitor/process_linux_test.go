package main_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// spec is what to start.
type spec struct {
	mode   mode
	on     netnstest.Place
	name   string
	config string
	args   []string
	env    []string             // more than ours
	attr   *syscall.SysProcAttr // how it is started, if it matters
	stdout *os.File             // nil: the test reads it
}

// process is a running daemon and what it printed so far.
type process struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended and all its output was read

	mu      sync.Mutex
	changed *sync.Cond
	out     output
}

// output is what a daemon printed, and how it ended. In wait's predicates it is what there is so far.
type output struct {
	points []exportertest.Got
	counts map[string]int // points by metric, and by series, see seriesOf
	log    []string
	odd    []string // lines of standard output that are no points
	ended  bool
	status int // valid when ended; -1: by a signal
}

// seriesOf is the key of a series in output.counts: metric and tags.
func seriesOf(metric string, tags ...string) string {
	return strings.Join(append([]string{metric}, tags...), " ")
}

// logged counts the lines of the log that contain the text.
func (o *output) logged(text string) int {
	n := 0
	for _, line := range o.log {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// values are the values of a series, in the order of output.
func (o *output) values(metric string, tags ...string) []int64 {
	var values []int64
	for _, p := range o.points {
		if p.Metric == metric && slices.Equal(p.Tags, tags) {
			values = append(values, p.Value)
		}
	}
	return values
}

// start starts a daemon and waits until it measures, in its mode.
func start(t *testing.T, s spec) *process {
	t.Helper()
	p := launch(t, s)
	p.waitLogged(1, startedWith[s.mode])
	return p
}

// launch starts a daemon, which is killed at the end of the test at the latest.
func launch(t *testing.T, s spec) *process {
	t.Helper()
	file := filepath.Join(t.TempDir(), s.name+".toml")
	if err := os.WriteFile(file, []byte(s.mode.configure(s.config)), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-c", file, "-n", s.name}, s.args...)
	cmd := s.on.Command(context.Background(), program(t), args...)
	cmd.Env, cmd.SysProcAttr = append(os.Environ(), s.env...), s.attr
	return launchCommand(t, s.name, cmd, s.stdout)
}

// launchCommand is launch for a command that is not made of a spec.
func launchCommand(t *testing.T, name string, cmd *exec.Cmd, stdout *os.File) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: cmd, ended: make(chan struct{}), out: output{counts: map[string]int{}}}
	p.changed = sync.NewCond(&p.mu)
	p.run(stdout)
	return p
}

// run starts the process and the goroutines that read from it.
func (p *process) run(stdout *os.File) {
	p.t.Helper()
	var readers sync.WaitGroup
	follow := func(pipe io.ReadCloser, err error, take func(line string)) {
		if err != nil {
			p.t.Fatal(err)
		}
		readers.Go(func() { p.read(pipe, take) })
	}
	p.cmd.Stdout = stdout
	if stdout == nil {
		p.cmd.Stdout = nil
		pipe, err := p.cmd.StdoutPipe()
		follow(pipe, err, p.out.takePoint)
	}
	pipe, err := p.cmd.StderrPipe()
	follow(pipe, err, p.out.takeLog)
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		readers.Wait()
		_ = p.cmd.Wait() // its outcome is the process's state
		p.update(func() { p.out.ended, p.out.status = true, p.cmd.ProcessState.ExitCode() })
	}()
	p.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if p.t.Failed() {
			p.t.Logf("log of %s:\n%s", p.name, strings.Join(p.out.log, "\n"))
		}
	})
}

func (p *process) read(pipe io.Reader, take func(line string)) {
	lines := bufio.NewScanner(pipe)
	for lines.Scan() {
		line := lines.Text()
		p.update(func() { take(line) })
	}
}

func (p *process) update(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.changed.Broadcast()
}

// referenceShape is a line as the reference implementation prints it, also for metrics that it has not.
var referenceShape = regexp.MustCompile(
	`^\{"metric": "(udp\.wan\.(owd|rtt|loss)|tcp\.wan\.(owd|rtt|latency|loss)|` +
		`udp\.wan\.(owd|loss)\.(forward|backward)|host\.clock\.error)", ` +
		`"points": \[\[[1-9][0-9]{18}, -?[0-9]+\]\], ` +
		`"tags": \["source:` + jsonText + `", "target:` + jsonText + `"(, "` + jsonText + `")*\]\}$`)

// jsonText is some text within a JSON string.
const jsonText = `([^"\\]|\\["\\/bfnrtu])+`

func (o *output) takePoint(line string) {
	point, err := exportertest.ParseLine([]byte(line))
	if err != nil || !referenceShape.MatchString(line) {
		o.odd = append(o.odd, line)
		return
	}
	o.points = append(o.points, point)
	o.counts[point.Metric]++
	o.counts[seriesOf(point.Metric, point.Tags...)]++
}

func (o *output) takeLog(line string) { o.log = append(o.log, line) }

// wait returns when the predicate holds, and fails the test when the daemon ends before, or when it
// takes too long.
func (p *process) wait(what string, holds func(o *output) bool) {
	p.t.Helper()
	if !p.waitFor(waittest.Patience(), holds) {
		p.t.Fatalf("%s: waiting for %s: ended %v, status %d, points %v", p.name, what, p.out.ended, p.out.status, p.out.counts)
	}
}

// waitFor is wait with a time of the caller's; false when that is over or the daemon has ended.
func (p *process) waitFor(limit time.Duration, holds func(o *output) bool) bool {
	deadline := time.Now().Add(limit)
	wake := time.AfterFunc(limit, func() { p.update(func() {}) })
	defer wake.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for !holds(&p.out) {
		if p.out.ended || !time.Now().Before(deadline) {
			return false
		}
		p.changed.Wait()
	}
	return true
}

// waitPoints waits for n points of each series.
func (p *process) waitPoints(n int, series ...string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("%d points of each of %q", n, series), func(o *output) bool {
		return !slices.ContainsFunc(series, func(s string) bool { return o.counts[s] < n })
	})
}

// waitMore waits for n points of each series that were measured from now on. What is printed from now on may
// be older.
func (p *process) waitMore(n int, series ...string) {
	p.t.Helper()
	now, read, found := time.Now().UnixNano(), 0, map[string]int{}
	p.wait(fmt.Sprintf("%d more points of each of %q", n, series), func(o *output) bool {
		for _, point := range o.points[read:] {
			if point.Time >= now {
				found[point.Metric]++
				found[seriesOf(point.Metric, point.Tags...)]++
			}
		}
		read = len(o.points)
		return !slices.ContainsFunc(series, func(s string) bool { return found[s] < n })
	})
}

// waitLogged waits until n lines of the log contain the text.
func (p *process) waitLogged(n int, text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("%d log lines with %q", n, text), func(o *output) bool { return o.logged(text) >= n })
}

// signal sends a signal.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%s: %v: %v", p.name, s, err)
	}
}

// end waits for the daemon to end and returns all that it printed.
func (p *process) end() *output {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(waittest.Patience()):
		p.t.Fatalf("%s: does not end", p.name)
	}
	return &p.out
}

// stop ends the daemon by SIGTERM, or another signal, as an operator does, and returns all that it
// printed and its counters. It must end well.
func (p *process) stop(signal ...os.Signal) (*output, counters) {
	p.t.Helper()
	p.signal(append(signal, unix.SIGTERM)[0])
	out := p.end()
	p.checkEnd(out)
	return out, p.counters(out)
}

// checkEnd checks what must be so after every orderly end.
func (p *process) checkEnd(out *output) {
	p.t.Helper()
	if out.status != 0 {
		p.t.Errorf("%s: exit status %d, want 0", p.name, out.status)
	}
	if len(out.odd) > 0 {
		p.t.Errorf("%s: %d lines of standard output are not of the reference's shape, such as %q", p.name, len(out.odd), out.odd[0])
	}
	for _, line := range out.log {
		if strings.Contains(line, " ERROR ") || strings.Contains(line, " CRITICAL ") || strings.Contains(line, "panic") {
			p.t.Errorf("%s: log line %q", p.name, line)
		}
	}
}
