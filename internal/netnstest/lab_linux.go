package netnstest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// namePrefix starts the name of every namespace of ours: lm-<pid>-<lab>-<host>.
const namePrefix = "lm-"

// Lab is a set of hosts and links that lives as long as one test. Its methods must be called from
// that test's goroutine.
type Lab struct {
	t     testing.TB
	id    uint32 // keeps the labs of one process apart
	links int
}

// New returns an empty lab. It skips the test when the machine cannot run one.
func New(t testing.TB) *Lab {
	t.Helper()
	if thing := missing(); thing != "" {
		t.Skip(thing)
	}
	removeStale()
	return &Lab{t: t, id: rand.Uint32()}
}

// missing returns what a lab needs and this machine has not, as a reason to skip; else "".
func missing() string {
	if os.Geteuid() != 0 {
		return "needs root, to make network namespaces"
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return "needs ip (iproute2), to make network namespaces"
	}
	probe := fmt.Sprintf("%s%d-%08x-probe", namePrefix, os.Getpid(), rand.Uint32())
	if _, err := command("ip", "netns", "add", probe); err != nil {
		return fmt.Sprintf("needs network namespaces: %v", err)
	}
	defer removeNamespace(probe)
	if _, err := command("ip", "-n", probe, "link", "add", "type", "veth"); err != nil {
		return fmt.Sprintf("needs veth interfaces: %v", err)
	}
	return ""
}

// Host makes a host: a network namespace of its own with the loopback interface up. The name must
// be unique in the lab.
func (l *Lab) Host(name string) *Host {
	l.t.Helper()
	h := &Host{namespace: fmt.Sprintf("%s%d-%08x-%s", namePrefix, os.Getpid(), l.id, name)}
	mustRun(l.t, "ip", "netns", "add", h.namespace)
	l.t.Cleanup(func() { removeNamespace(h.namespace) })
	mustRun(l.t, "ip", "-n", h.namespace, "link", "set", "lo", "up")
	return h
}

// removeStale removes the namespaces of processes that are no more. It ignores errors: another
// process may be doing the same.
func removeStale() {
	list, err := command("ip", "netns", "list")
	if err != nil {
		return
	}
	for line := range strings.Lines(list) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ") // "NAME" or "NAME (id: 3)"
		if pid, ok := owner(name); ok && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			removeNamespace(name)
		}
	}
}

// owner returns the process that made the namespace, if it is one of ours.
func owner(namespace string) (pid int, ok bool) {
	rest, ok := strings.CutPrefix(namespace, namePrefix)
	if !ok {
		return 0, false
	}
	digits, _, ok := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(digits)
	return pid, ok && err == nil && pid > 0
}

// removeNamespace kills the processes in the namespace first: they would keep it alive, and with it
// its end of each link. Threads inside Host.Do do not count as processes of the namespace.
func removeNamespace(name string) {
	pids, _ := command("ip", "netns", "pids", name)
	for field := range strings.FieldsSeq(pids) {
		if pid, err := strconv.Atoi(field); err == nil && pid != os.Getpid() {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	_, _ = command("ip", "netns", "delete", name)
}

// command runs a command and returns its standard output; the error holds what it wrote to
// standard error.
func command(name string, args ...string) (string, error) {
	return output(exec.Command(name, args...))
}

func output(cmd *exec.Cmd) (string, error) {
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return "", fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return string(out), nil
}

func mustRun(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := command(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
