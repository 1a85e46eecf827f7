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
	"strconv"
	"sync"
	"testing"
	"time"
)

// testVersion is what the linker writes into the program under test.
const testVersion = "v1.2.3-test"

// buildDir is where buildProgram puts the program; TestMain removes it.
var buildDir string

func TestMain(m *testing.M) {
	flag.Parse()
	status, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func runTests(m *testing.M) (status int, err error) {
	buildDir, err = os.MkdirTemp("", "latency-monitor-test-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(buildDir)) }()
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

// patience is how long a test waits for what must happen soon. LM_TIMEOUT_FACTOR scales it.
func patience() time.Duration {
	const usual = 30 * time.Second
	factor, err := strconv.ParseFloat(os.Getenv("LM_TIMEOUT_FACTOR"), 64)
	if err != nil || factor <= 0 {
		return usual
	}
	return time.Duration(factor * float64(usual))
}

// result is how a run of the program ended.
type result struct {
	status         int
	stdout, stderr string
}

// runToEnd runs the program in an empty directory until it ends by itself.
func runToEnd(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience())
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program(t), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("latency-monitor %q: %v; standard error:\n%s", args, errors.Join(err, ctx.Err()), &stderr)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}
