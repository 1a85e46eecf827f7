package bench

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cyclictestNeeds is what is missing here to run it, or nothing.
func cyclictestNeeds() string {
	if _, err := exec.LookPath("cyclictest"); err != nil {
		return "to be installed (Debian: rt-tests)"
	}
	if os.Geteuid() != 0 {
		return "root, whatever the priority"
	}
	return ""
}

// cyclictest measures how late this machine wakes up a thread that does nothing but sleep until the next of its slots,
// with clock_nanosleep on an absolute time: no loop can send earlier than that. A real-time priority of 0 is none.
func cyclictest(b *testing.B, interval, d time.Duration, priority int, p *pace) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d+patience)
	defer cancel()
	policy := []string{"--policy=other"}
	if priority > 0 {
		policy = []string{"--policy=fifo", "--priority=" + strconv.Itoa(priority)}
	}
	// Of each wake-up one line, in ns. By default it would keep all CPUs from sleeping deeply, which the daemon does
	// not do, and which would make the two differ.
	cmd := exec.CommandContext(ctx, "cyclictest", append(policy, "--default-system", "--verbose", "--nsecs",
		"--interval="+strconv.FormatInt(interval.Microseconds(), 10), "--loops="+strconv.FormatInt(int64(d/interval), 10))...)
	out := create(b, "cyclictest.out")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &said
	if err := startPrecise(cmd); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Fatalf("cyclictest: %v\n%s", err, said.Bytes())
	}
	readWakes(b, out.Name(), interval, p)
}

// startPrecise starts a program whose threads are woken up when they want to be. By default the kernel may take 50 µs
// longer, to wake up several at once (prctl(2), PR_SET_TIMERSLACK). The threads of a daemon that send ask it not to,
// cyclictest without a real-time priority does not ask, and would look bad beside them. A program inherits this from
// the thread that starts it.
func startPrecise(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }() // 0 is the thread's default
	return cmd.Start()
}

// readWakes reads lines such as "0:  17:  75449": thread, number of the wake-up, by how much it was late.
func readWakes(b *testing.B, name string, interval time.Duration, p *pace) {
	b.Helper()
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	before := len(p.waits)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) != 3 {
			continue
		}
		if late, err := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64); err == nil {
			p.wake(time.Duration(late), interval)
		}
	}
	if len(p.waits) == before {
		b.Fatal("cyclictest printed no wake-ups")
	}
}
