package timestamp

import (
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/internal/sys"
)

// What the tests in this file hold is not promised anywhere, but relied on.

var loopback = netip.MustParseAddr("127.0.0.1")

func open(t *testing.T, kind int) (fd int) { return openFor(t, loopback, kind) }

// openFor makes a socket of ip's family.
func openFor(t *testing.T, ip netip.Addr, kind int) (fd int) {
	t.Helper()
	family := unix.AF_INET
	if ip.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// openBound makes a socket on a port of the loopback address.
func openBound(t *testing.T, kind int) (fd int, local netip.AddrPort) {
	return openBoundTo(t, loopback, kind)
}

// openBoundTo makes a socket on a port of ip. It skips the test on a host without that address.
func openBoundTo(t *testing.T, ip netip.Addr, kind int) (fd int, local netip.AddrPort) {
	t.Helper()
	fd = openFor(t, ip, kind)
	var address unix.Sockaddr = &unix.SockaddrInet6{Addr: ip.As16()}
	if ip.Is4() {
		address = &unix.SockaddrInet4{Addr: ip.As4()}
	}
	if err := unix.Bind(fd, address); err != nil {
		t.Skipf("needs the address %s: %v", ip, err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	if sa, ok := sa.(*unix.SockaddrInet6); ok {
		return fd, netip.AddrPortFrom(ip, uint16(sa.Port))
	}
	return fd, netip.AddrPortFrom(ip, uint16(sa.(*unix.SockaddrInet4).Port))
}

// send sends n packets, which ask for a transmit timestamp, in one call and returns how many the kernel took.
func send(fd, n int, to netip.AddrPort) (int, unix.Errno) {
	return sendWith(fd, to, slices.Repeat([]sys.Ancillary{{Stamp: true}}, n)...)
}

// sendWith sends a packet with each of these.
func sendWith(fd int, to netip.AddrPort, with ...sys.Ancillary) (int, unix.Errno) {
	batch := sys.NewSendBatch(len(with))
	for i := range with {
		batch.Set(i, []byte("x"), to, with[i])
	}
	return batch.Send(fd, 0, len(with))
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

// The number of a packet is told by counting those that ask, in the order in which they were sent.
func TestOnlyPacketsThatAskForTransmitTimestampsAreNumbered(t *testing.T) {
	asking := sys.Ancillary{Stamp: true}
	fd := open(t, unix.SOCK_DGRAM)
	_, to := openBound(t, unix.SOCK_DGRAM)
	for range 3 {
		if err := EnableTransmit(fd); err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			if n, errno := sendWith(fd, to, sys.Ancillary{}, asking, sys.Ancillary{}, sys.Ancillary{}, asking); n != 5 || errno != 0 {
				t.Fatalf("sent %d packets of 5: %v", n, errno)
			}
			entries := transmitted(t, fd)
			if len(entries) != 2 || entries[0].ID != uint32(2*round) || entries[1].ID != uint32(2*round+1) {
				t.Errorf("two packets of five that ask leave %+v, want numbers %d and %d", entries, 2*round, 2*round+1)
			}
		}
	}
}

func TestTransmitTimestampsAskedForPerPacketNeedTheSocketsOption(t *testing.T) {
	fd := open(t, unix.SOCK_DGRAM)
	_, to := openBound(t, unix.SOCK_DGRAM)
	if n, errno := sendWith(fd, to, sys.Ancillary{Stamp: true}); n != 1 || errno != 0 {
		t.Fatalf("sent %d packets of 1: %v", n, errno)
	}
	for _, e := range transmitted(t, fd) {
		if e.Transmitted != 0 {
			t.Errorf("a socket without SO_TIMESTAMPING got %+v", e)
		}
	}
}

// Which octets a packet came with is looked up when it is read. So the options may be set on a socket
// that is bound already: packets that came before are no exception.
func TestPacketsThatWaitTellTOSAndTTLOnceAsked(t *testing.T) {
	tests := []struct {
		ip              string
		level, tos, ttl int
	}{
		{"127.0.0.1", unix.IPPROTO_IP, unix.IP_RECVTOS, unix.IP_RECVTTL},
		{"::1", unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, unix.IPV6_RECVHOPLIMIT},
	}
	for _, tt := range tests {
		t.Run(tt.ip, func(t *testing.T) {
			receiver, to := openBoundTo(t, netip.MustParseAddr(tt.ip), unix.SOCK_DGRAM)
			sent := sys.Ancillary{TOS: 0xb9, TTL: 17}
			if n, errno := sendWith(openFor(t, to.Addr(), unix.SOCK_DGRAM), to, sent); n != 1 || errno != 0 {
				t.Fatalf("sent %d packets of 1: %v", n, errno)
			}
			for _, option := range []int{tt.tos, tt.ttl} {
				if err := unix.SetsockoptInt(receiver, tt.level, option, 1); err != nil {
					t.Fatal(err)
				}
			}
			batch := sys.NewRecvBatch(1, 100)
			if n, errno := batch.Recv(receiver, 1, 0); n != 1 || errno != 0 {
				t.Fatalf("received %d packets of 1: %v", n, errno)
			}
			if got := ParseControl(batch.Control(0)); got.TOS != sent.TOS || got.TTL != sent.TTL {
				t.Errorf("TOS %#x and TTL %d were received as %#x and %d", sent.TOS, sent.TTL, got.TOS, got.TTL)
			}
		})
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

// A packet that a firewall drops on its way out fails the send, but has used up a number if it asked. That is why
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
	for number, with := range []sys.Ancillary{{}, {Stamp: true}} {
		if n, errno := sendWith(fd, dropped, with); n != 0 || errno != unix.EPERM {
			t.Fatalf("sent %d packets through a firewall that drops them: %v, want %v", n, errno, unix.EPERM)
		}
		if n, errno := sendWith(fd, allowed, sys.Ancillary{Stamp: true}); n != 1 || errno != 0 {
			t.Fatalf("sent %d packets of 1: %v", n, errno)
		}
		want := uint32(2 * number) // the second time two have asked before
		if entries := transmitted(t, fd); len(entries) != 1 || entries[0].ID != want {
			t.Errorf("a packet that asks after a dropped one with %+v left %+v, want number %d", with, entries, want)
		}
	}
}

// Before Linux 6.12 a packet comes with its timestamp twice, as soon as those sent are to be stamped.
func TestTransmitTimestampsAddNothingToWhatIsReceived(t *testing.T) {
	fd, to := openBound(t, unix.SOCK_DGRAM)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, optTimestamp, optRxFilter); err != nil {
		t.Skip("needs Linux 6.12: ", err)
	}
	for _, enable := range []func(int) error{EnableReceive, EnableTransmit} {
		if err := enable(fd); err != nil {
			t.Fatal(err)
		}
	}
	if n, errno := send(openFor(t, to.Addr(), unix.SOCK_DGRAM), 1, to); n != 1 || errno != 0 {
		t.Fatalf("sent %d packets of 1: %v", n, errno)
	}
	batch := sys.NewRecvBatch(1, 100)
	if n, errno := batch.Recv(fd, 1, 0); n != 1 || errno != 0 {
		t.Fatalf("received %d packets of 1: %v", n, errno)
	}
	if is, _, rest := next(batch.Control(0)); is != socketStamp && is != socketStampWide || len(rest) > 0 {
		t.Errorf("a packet came with %x, want one message with its timestamp", batch.Control(0))
	}
}
