package main_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
)

// Secrets, made so that no text of this program has them.
var (
	secretOfEnvironment = "PASSWORD=" + strings.Repeat("e5", 12)
	secretOfConfig      = strings.Repeat("c0", 12)
)

// The engine process has neither our environment nor the configuration file, and nothing open but what
// measuring needs. That its memory has no secret either is looked up there; the parent's has them.
func TestEngineProcessKnowsNoSecrets(t *testing.T) {
	needsRoot(t, "read the memory of processes without privilege")
	config, _, _ := onLoopback(t)
	config += fmt.Sprintf("[[targets]]\nhost = %q\n[[metrics]]\nbackend = \"cli\"\n# %s\n", loopback, secretOfConfig)
	p := start(t, spec{mode: isolated, on: netnstest.ThisHost{}, name: "a", config: config, env: []string{secretOfEnvironment}})
	p.waitPoints(1, delays...)
	engine := p.engineProcess()

	if got, want := nulTerminated(t, engine, "environ"), []string{"GOGC=off", "GOMAXPROCS=1"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the environment of the engine process is %q, want %q", got, want)
	}
	if got, want := nulTerminated(t, engine, "cmdline"), []string{program(t), "engine-process", "a"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the command line of the engine process is %q, want %q", got, want)
	}
	checkOpenFiles(t, engine)
	if !hasInMemory(t, p.cmd.Process.Pid, secretOfEnvironment) {
		t.Error("the memory of the parent has no secret, so this test would not find one")
	}
	for _, secret := range []string{secretOfEnvironment, secretOfConfig} {
		if hasInMemory(t, engine, secret) {
			t.Errorf("the memory of the engine process has the secret %s", secret)
		}
	}
	p.stop()
}

// nulTerminated reads a file of /proc/PID that has texts with a zero behind each.
func nulTerminated(t *testing.T, pid int, name string) []string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

// engineFiles is what an engine process may have open: sockets, epoll, timer and event descriptors, the
// shared memory, and what the Go runtime reads the CPU limit from.
var engineFiles = regexp.MustCompile(`^(socket:\[\d+\]|anon_inode:\[?(eventpoll|eventfd|timerfd)\]?|/memfd:latency-monitor \(deleted\)|` +
	`/dev/null|/sys/fs/cgroup/.*)$`)

func checkOpenFiles(t *testing.T, pid int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	open, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		file, err := os.Readlink(filepath.Join(dir, fd.Name()))
		if err != nil {
			continue // a connection that has ended
		}
		standardError := fd.Name() == "2" && strings.HasPrefix(file, "pipe:[") // our end of which is the log
		if !standardError && !engineFiles.MatchString(file) {
			t.Errorf("the engine process has open, as %s: %s", fd.Name(), file)
		}
	}
}

// hasInMemory looks for a text in all memory that a process writes to.
func hasInMemory(t *testing.T, pid int, text string) bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if !strings.HasPrefix(fields[1], "rw") {
			continue
		}
		first, last, _ := strings.Cut(fields[0], "-")
		from, _ := strconv.ParseInt(first, 16, 64)
		to, _ := strconv.ParseInt(last, 16, 64)
		buf := make([]byte, to-from)
		n, _ := memory.ReadAt(buf, from) // fails for what was unmapped meanwhile
		if bytes.Contains(buf[:n], []byte(text)) {
			return true
		}
	}
	return false
}
