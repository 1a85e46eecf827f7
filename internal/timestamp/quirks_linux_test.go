package timestamp

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/internal/sys"
)

// What the tests in this file hold is not promised anywhere, but relied on.

var loopback = netip.MustParseAddr("127.0.0.1")

func open(t *testing.T, kind int) (fd int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// openBound makes a socket on a port of the loopback address.
func openBound(t *testing.T, kind int) (fd int, local netip.AddrPort) {
	t.Helper()
	fd = open(t, kind)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: loopback.As4()}); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, netip.AddrPortFrom(loopback, uint16(sa.(*unix.SockaddrInet4).Port))
}

// send sends n packets in one call and returns how many the kernel took.
func send(fd, n int, to netip.AddrPort) (int, unix.Errno) {
	batch := sys.NewSendBatch(n)
	for i := range n {
		batch.Set(i, []byte("x"), to, netip.Addr{})
	}
	return batch.Send(fd, 0, n)
}

// transmitted reads what is in the error queue now.
func transmitted(t *testing.T, fd int) []QueueEntry {
	t.Helper()
	batch := sys.NewRecvBatch(16, 100)
	n, errno := batch.Recv(fd, 16, unix.MSG_ERRQUEUE)
	if errno != 0 && errno != unix.EAGAIN {
		t.Fatal(errno)
	}
	var entries []QueueEntry
	for i := range n {
		entries = append(entries, ParseQueueEntry(batch.Control(i)))
	}
	return entries
}

// The sender reads transmit timestamps right after it sent, so that most replies find theirs.
func TestTransmitTimestampsAreThereRightAfterSending(t *testing.T) {
	fd := open(t, unix.SOCK_DGRAM)
	_, to := openBound(t, unix.SOCK_DGRAM)
	if err := EnableTransmit(fd); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		before := clock.WallNow()
		if n, errno := send(fd, 4, to); n != 4 || errno != 0 {
			t.Fatalf("sent %d packets of 4: %v", n, errno)
		}
		after := clock.WallNow()
		entries := transmitted(t, fd)
		if len(entries) != 4 {
			t.Fatalf("%d transmit timestamps right after sending 4 packets", len(entries))
		}
		for i, e := range entries {
			if e.ID != uint32(4*round+i) || e.Transmitted < before || e.Transmitted > after {
				t.Errorf("entry %d = %+v, want ID %d and a time between %d and %d", i, e, 4*round+i, before, after)
			}
		}
	}
}

// EnableTransmit is how the numbers are made to agree again.
func TestEnableTransmitNumbersFromZeroAgain(t *testing.T) {
	fd := open(t, unix.SOCK_DGRAM)
	_, to := openBound(t, unix.SOCK_DGRAM)
	for range 3 {
		if err := EnableTransmit(fd); err != nil {
			t.Fatal(err)
		}
		if n, errno := send(fd, 2, to); n != 2 || errno != 0 {
			t.Fatalf("sent %d packets of 2: %v", n, errno)
		}
		for i, e := range transmitted(t, fd) {
			if e.ID != uint32(i) {
				t.Errorf("entry %d has ID %d", i, e.ID)
			}
		}
	}
}

func TestAcceptedSocketsInheritReceiveTimestamps(t *testing.T) {
	listener, to := openBound(t, unix.SOCK_STREAM)
	if err := EnableReceive(listener); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(listener, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(open(t, unix.SOCK_STREAM), &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	conn, _, errno := sys.Accept(listener)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer func() { _ = unix.Close(conn) }()
	if on, err := unix.GetsockoptInt(conn, unix.SOL_SOCKET, optTimestampNS); on != 1 || err != nil {
		t.Errorf("SO_TIMESTAMPNS of an accepted socket is %d, %v, want 1", on, err)
	}
}

// A packet that a firewall drops on its way out fails the send, but has used up a number. That is why
// the numbers must be made to agree again after a failure.
func TestPacketsDroppedByAFirewallAreNumbered(t *testing.T) {
	lab := netnstest.New(t)
	host := lab.Host("a")
	allowed, dropped := netip.AddrPortFrom(loopback, 4001), netip.AddrPortFrom(loopback, 4002)
	host.Run(t, "iptables", "-w", "-A", "OUTPUT", "-p", "udp", "--dport", "4002", "-j", "DROP")
	fd := -1
	err := host.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := EnableTransmit(fd); err != nil {
		t.Fatal(err)
	}
	if n, errno := send(fd, 1, dropped); n != 0 || errno != unix.EPERM {
		t.Fatalf("sent %d packets through a firewall that drops them: %v, want %v", n, errno, unix.EPERM)
	}
	if n, errno := send(fd, 1, allowed); n != 1 || errno != 0 {
		t.Fatalf("sent %d packets of 1: %v", n, errno)
	}
	if entries := transmitted(t, fd); len(entries) != 1 || entries[0].ID != 1 {
		t.Errorf("the packet after the dropped one left %+v, want number 1", entries)
	}
}
