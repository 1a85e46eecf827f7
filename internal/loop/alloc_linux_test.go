package loop

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
)

// A packet's whole way must not allocate: neither sending, nor waiting, nor receiving, nor the news
// about it.
func TestPacketsDoNotAllocate(t *testing.T) {
	eachLoopback(t, func(r *rig, loopback netip.Addr) {
		conn := r.listenUDP(loopback, stamped, senderToken)
		out := notifying(packetsTo(conn.LocalAddr(), batch))
		for i := range out {
			out[i].Local, out[i].TOS, out[i].TTL = loopback, uint8(i<<2), uint8(255-i)
		}
		in, notices := make([]packetio.Packet, batch), make([]packetio.Notice, batch)
		run := func() {
			if n, err := conn.WriteBatch(out); n != batch || err != nil {
				t.Fatalf("WriteBatch = %d, %v", n, err)
			}
			if n, err := r.Wait(clock.Never, r.ready[:]); err != nil {
				t.Fatalf("Wait = %d, %v", n, err)
			}
			if n, err := conn.ReadBatch(in); n != batch || err != nil {
				t.Fatalf("ReadBatch = %d, %v", n, err)
			}
			if n, err := conn.ReadNotices(notices); n != batch || err != nil {
				t.Fatalf("ReadNotices = %d, %v", n, err)
			}
		}
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%d packets allocate %v times, want 0", batch, n)
		}
	})
}

func TestFailedSendsDoNotAllocate(t *testing.T) {
	r, loopback := newRig(t, epoll), netip.MustParseAddr("127.0.0.1")
	conn := r.listenUDP(loopback, stamped, senderToken)
	notices := make([]packetio.Notice, batch)
	tooLong := []packetio.Packet{{Remote: conn.LocalAddr(), Data: make([]byte, 1<<16), Notify: true}}
	nobody := notifying(packetsTo(closedPort(r, loopback), 1))
	run := func() {
		if n, err := conn.WriteBatch(tooLong); n != 0 || err == nil {
			t.Fatalf("WriteBatch = %d, %v", n, err)
		}
		if n, err := conn.WriteBatch(nobody); n != 1 || err != nil {
			t.Fatalf("WriteBatch = %d, %v", n, err)
		}
		for got := 0; got < 2; { // that it left, and that it did not arrive
			n, err := conn.ReadNotices(notices)
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
	}
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("a failed send and an unreachable port allocate %v times, want 0", n)
	}
}

func TestWaitDoesNotAllocate(t *testing.T) {
	r := newRig(t, epoll)
	run := func() {
		for _, until := range []clock.Mono{0, clock.MonoNow().Add(1000)} {
			if _, err := r.Wait(until, r.ready[:]); err != nil {
				t.Fatal(err)
			}
		}
		r.Wake()
		if _, err := r.Wait(clock.Never, r.ready[:]); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("waiting allocates %v times, want 0", n)
	}
}

func TestStreamsDoNotAllocate(t *testing.T) {
	eachLoopback(t, func(r *rig, loopback netip.Addr) {
		dialed, accepted := r.connect(loopback)
		message, buf := payload(1, 1000), make([]byte, 2000)
		run := func() {
			if n, err := dialed.Write(message); n != len(message) || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
			dialed.WantWrite(true)
			dialed.WantWrite(false)
			for got := 0; got < len(message); {
				if _, err := r.Wait(clock.Never, r.ready[:]); err != nil {
					t.Fatal(err)
				}
				n, _, _, err := accepted.Read(buf)
				if err != nil && !errors.Is(err, packetio.ErrWouldBlock) {
					t.Fatal(err)
				}
				got += n
			}
		}
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("a message over TCP allocates %v times, want 0", n)
		}
	})
}

// Streams are used again, so that a connection per probe does not allocate either.
func TestConnectionsDoNotAllocate(t *testing.T) {
	eachLoopback(t, func(r *rig, loopback netip.Addr) {
		l := r.listenTCP(loopback, listenToken)
		to := l.LocalAddr()
		run := func() {
			dialed, err := r.Dial(to, packetio.Marking{TOS: 46 << 2, TTL: 255}, dialToken)
			if err != nil {
				t.Fatal(err)
			}
			for {
				accepted, err := r.Accept(l, acceptToken)
				if err == nil {
					accepted.Reset()
					break
				}
				if _, err := r.Wait(clock.Never, r.ready[:]); err != nil {
					t.Fatal(err)
				}
			}
			_, _ = dialed.Handshake() // it was reset already, perhaps
			dialed.Reset()
		}
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("a connection allocates %v times, want 0", n)
		}
	})
}
