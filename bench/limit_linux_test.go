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

// limit is a running C program. The zero value is of a machine that has none: it does nothing.
type limit struct {
	b      testing.TB
	cmd    *exec.Cmd
	out    *bufio.Reader
	cancel context.CancelFunc
}

// startLimit starts the C program on a CPU; what it can't do for want of a compiler is left out.
func startLimit(b testing.TB, cpu int, args ...string) *limit {
	b.Helper()
	binary, err := limitProgram()
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience+10**span)
	l := &limit{b: b, cmd: exec.CommandContext(ctx, binary, args...), cancel: cancel}
	l.cmd.Stderr = os.Stderr
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	l.out = bufio.NewReader(out)
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
		l.b.Fatalf("limit %v: %v", l.cmd.Args[1:], err)
	}
	return strings.TrimSpace(line)
}

// stop ends the program and returns how many packets it counted, and how long it has run on a CPU.
func (l *limit) stop() (packets float64, cpu time.Duration) {
	l.b.Helper()
	if err := l.cmd.Process.Signal(unix.SIGTERM); err != nil {
		l.b.Fatal(err)
	}
	packets, err := strconv.ParseFloat(l.line(), 64)
	if err != nil {
		l.b.Fatal(err)
	}
	if err := l.cmd.Wait(); err != nil {
		l.b.Fatal(err)
	}
	return packets, l.cmd.ProcessState.UserTime() + l.cmd.ProcessState.SystemTime()
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

// ran is how long all threads that a process has now have run on a CPU, to the nanosecond.
func ran(b testing.TB, pid int) time.Duration {
	b.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		b.Fatalf("process %d has no threads: %v", pid, err)
	}
	total := time.Duration(0)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // it ended meanwhile
		}
		if err != nil {
			b.Fatal(err)
		}
		n, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(n)
	}
	return total
}
