package serverstest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// eventually runs the check again and again until it returns nil.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.After(waittest.Patience())
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-poll.C:
		}
	}
}

// refuses reports whether nothing listens at the address any more.
func refuses(addr string) error {
	err := accepts(addr)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	return fmt.Errorf("connect to %s: %v, want a refusal", addr, err)
}

func TestKilledAndStoppedServersRefuseConnectionsUntilTheyRestart(t *testing.T) {
	t.Parallel()
	s := Pushgateway(t)
	for _, tt := range []struct {
		name string
		end  func()
	}{{"Kill", s.Kill}, {"Stop", s.Stop}} {
		tt.end()
		if err := refuses(s.Addr); err != nil {
			t.Errorf("after %s: %v", tt.name, err)
		}
		tt.end() // a second time has no effect
		s.Restart()
		if err := accepts(s.Addr); err != nil {
			t.Errorf("after %s and Restart: %v", tt.name, err)
		}
	}
	before := s.process.cmd.Process.Pid
	s.Restart()
	if after := s.process.cmd.Process.Pid; after == before {
		t.Errorf("Restart of a running server left process %d", before)
	}
}

func TestPausedServerAcceptsAndDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := Pushgateway(t)
	s.Pause()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("GET /-/ready HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	const silence = 100 * time.Millisecond
	_ = conn.SetReadDeadline(time.Now().Add(silence))
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read from a paused server = %d, %v, want a timeout", n, err)
	}
	s.Resume()
	_ = conn.SetReadDeadline(time.Now().Add(waittest.Patience()))
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Errorf("read from a resumed server: %v", err)
	}
	s.Pause()
	s.Stop() // reaches a paused server, too
}

func TestServerEndsWithItsTest(t *testing.T) {
	t.Parallel()
	var addr string
	t.Run("the test", func(t *testing.T) { addr = Pushgateway(t).Addr })
	if err := refuses(addr); addr != "" && err != nil {
		t.Error(err)
	}
}

// panicVariable makes the process that runs a test one that ends by a panic.
const panicVariable = "LM_SERVERSTEST_PANIC"

func TestServerEndsWithATestProcessThatPanics(t *testing.T) {
	s := Pushgateway(t)
	if os.Getenv(panicVariable) != "" {
		fmt.Printf("listening at %s\n", s.Addr)
		go panic("as it should") // in the test's own goroutine it would leave the cleanups to do
		select {}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), panicVariable+"=1", "TMPDIR="+t.TempDir()) // where it leaves its folders
	out, err := cmd.CombinedOutput()
	_, rest, found := strings.Cut(string(out), "listening at ")
	if err == nil || !found {
		t.Fatalf("the process ended with %v:\n%s", err, out)
	}
	addr, _, _ := strings.Cut(rest, "\n")
	eventually(t, func() error { return refuses(addr) })
}

// A thread that ends takes the children with it that it started, if they have Pdeathsig.
func TestServerOutlivesTheThreadOfItsTest(t *testing.T) {
	t.Parallel()
	pushgateway, err := program("prometheus-pushgateway")
	if err != nil {
		missing(t, err)
	}
	addr := freeAddresses(t, 1)[0]
	s := newServer(t, "Pushgateway")
	s.Addr, s.args, s.probe = addr, []string{pushgateway, "--web.listen-address=" + addr}, s.answers("/-/ready")
	onThreadOfItsOwn(t, s.launch)
	if err := accepts(s.Addr); err != nil {
		t.Error(err)
	}
}

// onThreadOfItsOwn runs f on a thread that has ended when it returns.
func onThreadOfItsOwn(t *testing.T, f func()) {
	t.Helper()
	thread := make(chan int)
	go func() {
		runtime.LockOSThread()
		f()
		thread <- unix.Gettid()
	}()
	id := <-thread
	if id == unix.Getpid() {
		return // the main thread cannot end
	}
	eventually(t, func() error {
		if err := unix.Tgkill(unix.Getpid(), id, 0); !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("thread %d: %v, want it to be gone", id, err)
		}
		return nil
	})
}
