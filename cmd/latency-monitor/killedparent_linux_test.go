package main_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// When the parent is killed under load, its engine process ends at once, and nothing holds the ports.
func TestEngineProcessEndsWithItsParent(t *testing.T) {
	config, tcp, udp := onLoopback(t)
	config += fmt.Sprintf("interval = 1\n[[targets]]\nhost = %q\nlabel = \"itself\"\n", loopback)
	p := start(t, spec{mode: isolated, on: netnstest.ThisHost{}, name: "a", config: config})
	p.waitPoints(200, delays...)
	pidfd, err := unix.PidfdOpen(p.engineProcess(), 0)
	if err != nil {
		t.Fatalf("pidfd_open: %v", err)
	}
	t.Cleanup(func() {
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0) // an error says that it has ended
		_ = unix.Close(pidfd)
	})
	p.signal(unix.SIGKILL)
	waitEnded(t, pidfd)
	p.end()

	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", loopback, tcp))
	if err != nil {
		t.Fatalf("the TCP port is not free: %v", err)
	}
	_ = listener.Close()
	conn, err := net.ListenPacket("udp", fmt.Sprintf("%s:%d", loopback, udp))
	if err != nil {
		t.Fatalf("the UDP port is not free: %v", err)
	}
	_ = conn.Close()
}

// waitEnded waits for the end of a process that need not be our child: then its pidfd becomes readable,
// which is after its files were closed (pidfd_open(2)).
func waitEnded(t *testing.T, pidfd int) {
	t.Helper()
	deadline := time.Now().Add(waittest.Patience())
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(max(0, time.Until(deadline)).Milliseconds()))
		switch {
		case err == unix.EINTR:
		case err != nil:
			t.Fatalf("poll: %v", err)
		case n == 0:
			t.Fatal("the engine process lives on")
		default:
			return
		}
	}
}
