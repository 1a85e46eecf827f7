package sender

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// blackHole listens and does not let anybody in: its queue of one connection is full, and the kernel
// drops every further SYN (listen(2)).
func blackHole(t *testing.T) netip.AddrPort {
	t.Helper()
	listener := socket(t)
	if err := unix.Bind(listener, &unix.SockaddrInet4{Addr: loopback.As4()}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(listener, 0); err != nil {
		t.Fatal(err)
	}
	local, err := unix.Getsockname(listener)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := unix.Connect(socket(t), local); err != nil && err != unix.EINPROGRESS {
			t.Fatal(err)
		}
	}
	return netip.AddrPortFrom(loopback, uint16(local.(*unix.SockaddrInet4).Port))
}

func socket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func TestConnectProbeIntoBlackHoleIsLostAfterTimeout(t *testing.T) {
	r := newRig(t, epoll)
	remote := blackHole(t)
	before := descriptors(t)
	s := sessionTo(1, measurement.TCPConnect, remote)
	s.Timeout = 50 * time.Millisecond
	r.add(s)
	began := time.Now()
	for i := range uint64(5) {
		if got := r.metric(measurement.TCPLoss); got.Seq != i || got.Value != 1 {
			r.Errorf("loss %+v, want 1 of seq %d", got, i)
		}
	}
	if waited := time.Since(began); waited < s.Timeout {
		r.Errorf("lost after %v, want %v or more", waited, s.Timeout)
	}
	r.event(measurement.EventSilent)
	r.drain()
	r.balanced()
	r.counts(selfstats.ProbesAnswered, 0)
	if now := descriptors(t); now != before {
		r.Errorf("%d descriptors, %d before", now, before)
	}
}

func TestConnectProbesLeaveNoDescriptorBehind(t *testing.T) {
	r := newRig(t, epoll)
	peer := newTCPPeer(t, anyPort)
	before := descriptors(t)
	s := sessionTo(1, measurement.TCPConnect, peer.addr())
	s.Interval = time.Millisecond
	r.add(s)
	for range 200 {
		_ = peer.accept().Close()
	}
	r.drain()
	r.balanced()
	for peer.listener.SetDeadline(time.Now().Add(time.Millisecond)) == nil {
		conn, err := peer.listener.AcceptTCP()
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	if now := descriptors(t); now != before {
		r.Errorf("%d descriptors, %d before", now, before)
	}
}

// Removing sessions with connections under way closes these.
func TestRemovedSessionsLeaveNoDescriptorBehind(t *testing.T) {
	r := newRig(t, epoll)
	remote, peer := blackHole(t), newTCPPeer(t, anyPort)
	before := descriptors(t)
	for i := range measurement.SessionID(3) {
		r.add(sessionTo(i, measurement.TCPConnect, remote))
		r.add(sessionTo(10+i, measurement.TCP, remote))
		r.add(sessionTo(20+i, measurement.TCP, peer.addr()))
	}
	var accepted []*tcpConn
	for range 3 {
		accepted = append(accepted, peer.accept())
	}
	r.counted(selfstats.SlotsSent, 10)
	for i := range measurement.SessionID(30) {
		r.remove(i)
	}
	r.drain()
	r.balanced()
	for _, conn := range accepted {
		_ = conn.Close()
	}
	if now := descriptors(t); now != before {
		r.Errorf("%d descriptors, %d before", now, before)
	}
}
