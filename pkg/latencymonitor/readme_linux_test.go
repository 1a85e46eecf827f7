package latencymonitor

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

const root = "../.."

// The program in README.md is built, measures, and ends by Ctrl-C.
func TestReadmeProgramRuns(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs go, to build the program")
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	must(t, err)
	programs := regexp.MustCompile("(?ms)^```go\n(package main\n.*?)^```$").FindAllSubmatch(text, -1)
	if len(programs) != 1 {
		t.Fatalf("README.md has %d programs, want 1", len(programs))
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	must(t, os.WriteFile(source, programs[0][1], 0o600))
	build := exec.Command("go", "build", "-o", binary, source)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}

	m := opened(t, "m", Engine{})
	started(t, m)
	program := exec.Command(binary, "127.0.0.1:"+portOf(m))
	stdout, err := program.StdoutPipe()
	must(t, err)
	program.Stderr = os.Stderr
	must(t, program.Start())
	defer time.AfterFunc(waittest.Patience(), func() { _ = program.Process.Kill() }).Stop()
	var lines []string
	for output := bufio.NewScanner(stdout); output.Scan(); {
		if lines = append(lines, output.Text()); len(lines) == 2 {
			must(t, program.Process.Signal(syscall.SIGINT))
		}
	}
	if err := program.Wait(); err != nil {
		t.Error(err)
	}
	measured := regexp.MustCompile(`^127\.0\.0\.1 [0-9.]+(µs|ms)$`)
	if len(lines) < 3 || !measured.MatchString(lines[0]) || !strings.HasSuffix(lines[len(lines)-1], " probes sent") {
		t.Errorf("printed %q, want round-trip times, and how many probes were sent", lines)
	}
}
