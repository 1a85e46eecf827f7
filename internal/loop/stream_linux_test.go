package loop

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
)

func TestHandshakeHasTheKernelsRoundTripTime(t *testing.T) {
	eachLoopback(t, func(r *rig, loopback netip.Addr) {
		l := r.listenTCP(loopback, listenToken)
		before := clock.MonoNow()
		s := r.dial(l.LocalAddr(), dialToken)
		r.awaitWrite(dialToken)
		h, err := s.Handshake()
		// The kernel counts in microseconds.
		if took := clock.MonoNow().Sub(before) + time.Microsecond; err != nil || h.RTT <= 0 || h.RTT > took || h.Retransmits != 0 {
			r.Errorf("Handshake = %+v, %v, want an RTT up to %v", h, err, took)
		}
	})
}

// A listener whose queue is full drops the SYN of those who come.
func TestHandshakeThatGoesOn(t *testing.T) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) {
			r := newRig(t, i)
			full := fullListener(t)
			s := r.dial(full, dialToken)
			// Once the SYN is out. Until then the portable stream does not know that either.
			for len(sockets(t, full.Port(), synSent)) == 0 {
			}
			if _, err := s.Handshake(); !errors.Is(err, packetio.ErrWouldBlock) {
				t.Errorf("Handshake: %v, want %v", err, packetio.ErrWouldBlock)
			}
			if _, _, _, err := s.Read(make([]byte, 1)); !errors.Is(err, packetio.ErrWouldBlock) {
				t.Errorf("Read: %v, want %v", err, packetio.ErrWouldBlock)
			}
			if _, err := s.Write(make([]byte, 1)); !errors.Is(err, packetio.ErrWouldBlock) {
				t.Errorf("Write: %v, want %v", err, packetio.ErrWouldBlock)
			}
			r.quiet()
			r.drop(s)
			r.end() // waits for the goroutine that connects
			if left := sockets(t, full.Port(), synSent); len(left) > 0 {
				t.Errorf("still connecting: %q", left)
			}
		})
	}
}

// fullListener listens with a queue of one connection, and fills it.
func fullListener(t *testing.T) netip.AddrPort {
	t.Helper()
	fd := socket(t)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(socket(t), sa); err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(sa.(*unix.SockaddrInet4).Port))
}

func socket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// States of a socket in /proc/net/tcp (include/net/tcp_states.h).
const (
	synSent  = "02"
	timeWait = "06"
)

// sockets lists the IPv4 TCP sockets in that state with that port on either end, by both addresses.
func sockets(t *testing.T, port uint16, state string) []string {
	t.Helper()
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var found []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// sl local_address rem_address st ...
		fields := strings.Fields(lines.Text())
		addresses := fields[1] + " " + fields[2] + " "
		if fields[3] == state && strings.Contains(addresses, fmt.Sprintf(":%04X ", port)) {
			found = append(found, addresses)
		}
	}
	return found
}

func TestResetLeavesNoTimeWait(t *testing.T) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) {
			r := newRig(t, i)
			l := r.listenTCP(netip.MustParseAddr("127.0.0.1"), listenToken)
			before := sockets(t, l.LocalAddr().Port(), timeWait) // of others who had this port
			for range 20 {
				s := r.dial(l.LocalAddr(), dialToken)
				r.awaitWrite(dialToken)
				s.WantWrite(false)
				accepted := r.accept(l, acceptToken)
				r.drop(s)
				if err := r.readError(accepted, acceptToken); !errors.Is(err, unix.ECONNRESET) {
					t.Errorf("the other end: %v, want %v", err, unix.ECONNRESET)
				}
				accepted.Close()
				r.closed(accepted)
			}
			for _, left := range sockets(t, l.LocalAddr().Port(), timeWait) {
				if !slices.Contains(before, left) {
					t.Errorf("left in TIME_WAIT: %s", left)
				}
			}
		})
	}
}
