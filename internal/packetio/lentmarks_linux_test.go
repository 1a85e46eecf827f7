package packetio

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// fill sends n packets with marks from a socket of its own.
func fill(t *testing.T, to netip.AddrPort, n int) {
	t.Helper()
	conn, _, err := ListenUDP(netip.AddrPortFrom(to.Addr(), 0), Options{MaxSize: 100, Batch: n})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	packets := make([]Packet, n)
	for i := range packets {
		packets[i] = Packet{Data: []byte("x"), Remote: to, TOS: 46 << 2, TTL: 255}
	}
	if sent, err := conn.WriteBatch(packets); sent != n || err != nil {
		t.Fatalf("WriteBatch = %d, %v", sent, err)
	}
}

// The lender does not know what the borrower wants to be told.
func TestBorrowedSocketsTellWhatTheirUserAskedFor(t *testing.T) {
	local := netip.MustParseAddrPort("127.0.0.1:0")
	lent, _, err := Lend("udp", local)
	if err != nil {
		t.Fatal(err)
	}
	defer lent.Close()
	if err := bind(lent.FD, local); err != nil { // as if the lender had been asked for a port
		t.Fatal(err)
	}
	if lent.Local, err = boundTo(lent.FD); err != nil {
		t.Fatal(err)
	}
	for range 2 { // users
		fill(t, lent.Local, 3)
		borrowed := lent
		if borrowed.FD, err = unix.FcntlInt(uintptr(lent.FD), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			t.Fatal(err)
		}
		conn, missing, err := BorrowUDP(borrowed, Options{MaxSize: 100, Batch: 4, Marks: true, Transmit: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range missing {
			t.Logf("missing: %v", m)
		}
		fill(t, lent.Local, 2)
		packets := make([]Packet, 4)
		n, err := conn.ReadBatch(packets)
		if n != 2 || err != nil || conn.Overflow() != 3 {
			t.Fatalf("ReadBatch = %d, %v with %d lost before, want 2, nil and 3", n, err, conn.Overflow())
		}
		for _, p := range packets[:n] {
			if p.TOS != 46<<2 || p.TTL != 255 {
				t.Errorf("TOS %#x and TTL %d, want %#x and 255", p.TOS, p.TTL, 46<<2)
			}
		}
		replies := []Packet{{Data: []byte("x"), Remote: packets[0].Remote}, {Data: []byte("x"), Remote: packets[0].Remote, Notify: true}}
		if n, err := conn.WriteBatch(replies); n != 2 || err != nil {
			t.Fatalf("WriteBatch = %d, %v", n, err)
		}
		notices := make([]Notice, 4)
		if n, err := conn.ReadNotices(notices); n != 1 || err != nil || notices[0].ID != replies[1].ID || notices[0].Transmitted == 0 {
			t.Errorf("ReadNotices = %d, %v, %+v, want the transmit timestamp of packet %d", n, err, notices[:n], replies[1].ID)
		}
		_ = conn.Close()
		lent.Return()
	}
}
