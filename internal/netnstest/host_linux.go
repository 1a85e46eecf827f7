package netnstest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// namespaceDir is where ip-netns(8) keeps named namespaces.
const namespaceDir = "/run/netns"

// Host is one host of a lab. Its methods may be called concurrently.
type Host struct {
	namespace string
	chains    atomic.Int32 // makes the names of firewall chains unique
}

// Command returns a command that will run on the host. `ip netns exec` replaces itself by the
// command, so a signal sent to the process reaches the command itself.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", h.netnsExec(name, args)...)
}

// Run runs a command on the host, which must succeed, and returns its standard output.
func (h *Host) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	return mustRun(t, "ip", h.netnsExec(name, args)...)
}

func (h *Host) netnsExec(name string, args []string) []string {
	return append([]string{"netns", "exec", h.namespace, name}, args...)
}

// Do runs f on the host and returns its error. Sockets that f makes stay on the host and may be
// used from anywhere afterwards. Goroutines that f starts are not on the host; and f must not call
// t.Fatal, which works in the test's own goroutine only.
//
// The thread that enters the namespace never serves another goroutine: it ends with f.
func (h *Host) Do(f func() error) error {
	err := errors.New("netnstest: the function did not return")
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// Not the main thread: it cannot end, and /proc/self would show the host's network for
			// good. It waits here, so the next try gets another thread.
			defer runtime.UnlockOSThread()
			err = h.Do(f)
			return
		}
		if enterErr := h.enter(); enterErr != nil {
			err = enterErr
			return
		}
		err = f()
	}()
	<-done
	return err
}

// enter moves the calling thread into the host's namespace, for good.
func (h *Host) enter() error {
	ns, err := os.Open(filepath.Join(namespaceDir, h.namespace))
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", h.namespace, os.NewSyscallError("setns", err))
	}
	return nil
}
