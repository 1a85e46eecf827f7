package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// limitProgram is the C program in limit/, built once per run with the system's compiler.
var limitProgram = sync.OnceValues(func() (string, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", fmt.Errorf("no C compiler: %w", err)
	}
	binary := filepath.Join(builds, "limit")
	out, err := exec.Command(cc, "-O2", "-o", binary, filepath.Join("limit", "limit.c")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cc limit.c: %w\n%s", err, out)
	}
	return binary, nil
})

// limit is a run of the C program.
type limit struct {
	b      testing.TB
	cmd    *exec.Cmd
	out    *bufio.Reader
	errors *os.File
	began  time.Time
	cancel context.CancelFunc
}

// startLimit starts the C program on a CPU. It is stopped at the end of the benchmark at the latest.
func startLimit(b testing.TB, cpu int, args ...string) *limit {
	b.Helper()
	binary, err := limitProgram()
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience+10**span) // what reads from it can't hang
	l := &limit{b: b, cmd: exec.CommandContext(ctx, binary, args...), errors: create(b, "limit.log"), cancel: cancel}
	l.cmd.Stderr = l.errors
	// As startChild has it; but this one is to have the CPU of the thread that starts it.
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	l.out = bufio.NewReader(out)
	l.began = time.Now()
	onCPU(b, cpu, func() { err = l.cmd.Start() })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(l.kill)
	return l
}

func (l *limit) kill() {
	l.cancel()
	if l.cmd.ProcessState == nil {
		_ = l.cmd.Wait()
	}
}

// line reads a line that the program prints.
func (l *limit) line() string {
	l.b.Helper()
	line, err := l.out.ReadString('\n')
	if err != nil {
		said, _ := os.ReadFile(l.errors.Name())
		l.b.Fatalf("limit %v: %v\n%s", l.cmd.Args[1:], err, said)
	}
	return strings.TrimSpace(line)
}

// stop ends the program and returns what it has done.
func (l *limit) stop() work {
	l.b.Helper()
	_ = l.cmd.Process.Signal(unix.SIGTERM) // if it ended before, it prints nothing
	packets, err := strconv.ParseFloat(l.line(), 64)
	if err != nil {
		l.b.Fatal(err)
	}
	if err := l.cmd.Wait(); err != nil {
		l.b.Fatal(err)
	}
	state := l.cmd.ProcessState
	return work{probes: packets, cpu: state.UserTime() + state.SystemTime(), elapsed: time.Since(l.began)}
}

// onCPU has the processes that do starts run on one CPU only: they inherit that from the thread.
func onCPU(b testing.TB, cpu int, do func()) {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		b.Fatal(err)
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			b.Error(err)
		}
	}()
	do()
}

// twoCPUs are two that we may use.
func twoCPUs(b testing.TB) (first, second int) {
	b.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		b.Fatal(err)
	}
	if set.Count() < 2 {
		b.Skip("needs two CPUs")
	}
	for first = 0; !set.IsSet(first); first++ {
	}
	for second = first + 1; !set.IsSet(second); second++ {
	}
	return first, second
}
