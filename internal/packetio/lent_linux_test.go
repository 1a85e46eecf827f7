package packetio

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

var lentOptions = Options{MaxSize: 100, Batch: 8, Transmit: true, Errors: true}

// lent opens a socket to lend that is closed when the test ends.
func lent(t *testing.T, transport, local string) Lent {
	t.Helper()
	l, _, err := Lend(transport, netip.MustParseAddrPort(local))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// borrow is the other process: it has a descriptor of its own.
func borrow(t *testing.T, l Lent) *LinuxConn {
	t.Helper()
	fd, err := unix.Dup(l.FD)
	if err != nil {
		t.Fatal(err)
	}
	l.FD = fd
	c, _, err := BorrowUDP(l, lentOptions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// sendTo sends n datagrams to the socket and returns when they are there.
func sendTo(t *testing.T, to netip.AddrPort, n int) {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range n {
		if _, err := conn.Write([]byte("x")); err != nil { // on loopback it is received when this returns
			t.Fatal(err)
		}
	}
}

func TestBorrowedSocketWithoutPortGetsANewOneEachTime(t *testing.T) {
	for _, local := range []string{"0.0.0.0:0", "[::]:0"} {
		l := lent(t, "udp", local)
		first := borrow(t, l)
		port := first.LocalAddr().Port()
		sendTo(t, netip.AddrPortFrom(first.LocalAddr().Addr(), port), 3)
		_ = first.Close()
		second := borrow(t, l)
		if again := second.LocalAddr().Port(); again == port || again == 0 {
			t.Errorf("%s: port %d after %d, want another", local, again, port)
		}
		if n, err := second.ReadBatch(make([]Packet, 8)); n != 0 || err != nil {
			t.Errorf("%s: ReadBatch = %d, %v, want nothing of the last user's", local, n, err)
		}
		if got := second.Overflow(); got != 3 {
			t.Errorf("%s: Overflow = %d, want the 3 that were not read", local, got)
		}
	}
}

func TestBorrowedSocketCountsWhatWasDroppedSinceItWasReturned(t *testing.T) {
	l := lent(t, "udp", "127.0.0.1:0")
	// A port of its own, as a reflector has; and room for few packets.
	if err := bind(l.FD, l.Local); err != nil {
		t.Fatal(err)
	}
	var err error
	if l.Local, err = boundTo(l.FD); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(l.FD, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
		t.Fatal(err)
	}
	const packets = 100
	dropped := func(c *LinuxConn) uint64 {
		sendTo(t, l.Local, 1) // tells of those before it
		deadline := time.Now().Add(waittest.Patience())
		for n := 0; n == 0 && time.Now().Before(deadline); {
			n, _ = c.ReadBatch(make([]Packet, 8))
		}
		return c.Overflow()
	}
	first := borrow(t, l)
	if first.LocalAddr() != l.Local {
		t.Errorf("LocalAddr = %s, want %s", first.LocalAddr(), l.Local)
	}
	sendTo(t, l.Local, packets)
	for n := 1; n > 0; {
		n, _ = first.ReadBatch(make([]Packet, 8))
	}
	if got := dropped(first); got == 0 || got >= packets {
		t.Fatalf("Overflow = %d of %d, want some", got, packets)
	}
	_ = first.Close()
	l.Return()
	sendTo(t, l.Local, packets) // some are dropped, the others wait
	second := borrow(t, l)
	if got := dropped(second); got != packets {
		t.Errorf("Overflow = %d, want the %d that came meanwhile, and none from before", got, packets)
	}
}

func TestLendRefusesWhatItDoesNotKnow(t *testing.T) {
	if _, _, err := Lend("sctp", netip.AddrPort{}); err == nil {
		t.Error("Lend = no error, want one")
	}
}

func TestBorrowedListenerAccepts(t *testing.T) {
	l := lent(t, "tcp", "127.0.0.1:0")
	fd, err := unix.Dup(l.FD)
	if err != nil {
		t.Fatal(err)
	}
	l.FD = fd
	listener, err := new(Streams).BorrowTCP(l)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	stream.Close()
}
