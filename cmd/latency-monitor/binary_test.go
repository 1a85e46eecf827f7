package main_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// testVersion is what the linker writes into the program under test.
const testVersion = "v1.2.3-test"

// buildDir is where buildProgram puts the program; TestMain removes it.
var buildDir string

func TestMain(m *testing.M) {
	flag.Parse()
	letWaitingTestsOverlap()
	status, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// letWaitingTestsOverlap lets the parallel tests run all at once, also on a machine with few CPUs: they
// wait more than they compute. An option -parallel has its way.
func letWaitingTestsOverlap() {
	const parallel = "test.parallel"
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == parallel })
	if !chosen {
		_ = flag.Set(parallel, "6") // the flag is there, and takes a number
	}
}

func runTests(m *testing.M) (status int, err error) {
	buildDir, err = os.MkdirTemp("", "latency-monitor-test-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(buildDir)) }()
	if err := os.Chmod(buildDir, 0o755); err != nil { // other users may run the program
		return 0, err
	}
	return m.Run(), nil
}

// buildProgram builds the program as it is shipped, once, and returns its path.
var buildProgram = sync.OnceValues(func() (string, error) {
	file := filepath.Join(buildDir, "latency-monitor.exe") // Windows wants the suffix, others don't mind
	build := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-X main.version="+testVersion, "-o", file, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return file, nil
})

// program returns the path of the program. It skips the test where it can't be built.
func program(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs go, to build the program")
	}
	file, err := buildProgram()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// result is how a run of the program ended.
type result struct {
	status         int
	stdout, stderr string
}

// runToEnd runs the program until it ends by itself, in a directory that has nothing but a latency.toml
// with the text, if that is not empty.
func runToEnd(t *testing.T, config string, args ...string) result {
	t.Helper()
	binary := program(t) // building it may take longer than patience lasts
	ctx, cancel := context.WithTimeout(context.Background(), waittest.Patience())
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = t.TempDir()
	if config != "" {
		if err := os.WriteFile(filepath.Join(cmd.Dir, "latency.toml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return resultOf(t, cmd, cmd.Run)
}

// resultOf runs a command by the function, which is cmd.Run or does that somewhere else.
func resultOf(t *testing.T, cmd *exec.Cmd, run func() error) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := run()
	if exit := new(exec.ExitError); err != nil && (!errors.As(err, &exit) || exit.ExitCode() < 0) {
		t.Fatalf("%q: %v; standard error:\n%s", cmd.Args, err, &stderr)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// checkRefused checks that the program ended with the status, one line on standard error, and nothing
// on standard output.
func (r result) checkRefused(t *testing.T, status int, line string) {
	t.Helper()
	if r.status != status {
		t.Errorf("exit status %d, want %d", r.status, status)
	}
	if want := "latency-monitor: " + line + "\n"; r.stderr != want {
		t.Errorf("standard error:\n got %q\nwant %q", r.stderr, want)
	}
	if r.stdout != "" {
		t.Errorf("standard output %q, want nothing", r.stdout)
	}
}
