package loop

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// Tokens of the sockets in most tests.
const (
	listenToken Token = 1
	dialToken   Token = 2
	acceptToken Token = 1<<40 + 3
)

func (r *rig) dial(to netip.AddrPort, t Token) packetio.Stream {
	r.Helper()
	s, err := r.Dial(to, packetio.Marking{}, t)
	if err != nil {
		r.Fatal(err)
	}
	r.streams[s] = true
	return s
}

func (r *rig) accept(l packetio.Listener, t Token) packetio.Stream {
	r.Helper()
	r.awaitRead(listenToken)
	s, err := r.Accept(l, t)
	if err != nil {
		r.Fatal(err)
	}
	r.streams[s] = true
	return s
}

// closed notes that a stream was closed by the test.
func (r *rig) closed(s packetio.Stream) { delete(r.streams, s) }

// connect makes both ends of a connection.
func (r *rig) connect(loopback netip.Addr) (dialed, accepted packetio.Stream) {
	r.Helper()
	l := r.listenTCP(loopback, listenToken)
	dialed = r.dial(l.LocalAddr(), dialToken)
	r.awaitWrite(dialToken)
	if _, err := dialed.Handshake(); err != nil {
		r.Fatalf("Handshake: %v", err)
	}
	dialed.WantWrite(false)
	return dialed, r.accept(l, acceptToken)
}

// peer makes a connection to a plain socket of the net package.
func (r *rig) peer(loopback netip.Addr) (packetio.Stream, *net.TCPConn) {
	r.Helper()
	l := r.listenTCP(loopback, listenToken)
	conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(l.LocalAddr()))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(waittest.Patience())); err != nil {
		r.Fatal(err)
	}
	return r.accept(l, acceptToken), conn
}

// read reads n octets.
func (r *rig) read(s packetio.Stream, t Token, n int) []byte {
	r.Helper()
	got := make([]byte, 0, n)
	for len(got) < n {
		r.awaitRead(t)
		n, at, stamp, err := s.Read(got[len(got):cap(got)])
		if err != nil {
			r.Fatalf("Read after %d octets: %v", len(got), err)
		}
		if n == 0 || at == 0 || stamp != r.stamp {
			r.Fatalf("Read = %d octets, At %d, Stamp %v, want stamp %v", n, at, stamp, r.stamp)
		}
		got = got[:len(got)+n]
	}
	return got
}

// readError reads until there is an error.
func (r *rig) readError(s packetio.Stream, t Token) error {
	r.Helper()
	for {
		r.awaitRead(t)
		if _, _, _, err := s.Read(make([]byte, 1000)); err != nil {
			return err
		}
	}
}

func TestStreamConnectsAndEchoes(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		dialed, accepted := r.connect(loopback)
		if _, _, _, err := dialed.Read(make([]byte, 10)); !errors.Is(err, packetio.ErrWouldBlock) {
			r.Errorf("Read of nothing: %v, want %v", err, packetio.ErrWouldBlock)
		}
		r.quiet()
		before := clock.WallNow()
		if n, err := dialed.Write([]byte("question")); n != 8 || err != nil {
			r.Fatalf("Write = %d, %v", n, err)
		}
		r.awaitRead(acceptToken)
		buf := make([]byte, 100)
		n, at, _, err := accepted.Read(buf)
		if err != nil || string(buf[:n]) != "question" {
			r.Fatalf("Read = %q, %v", buf[:n], err)
		}
		if after := clock.WallNow(); at < before || at > after {
			r.Errorf("received at %d, want between %d and %d", at, before, after)
		}
		if _, err := accepted.Write(buf[:n]); err != nil {
			r.Fatal(err)
		}
		if got := r.read(dialed, dialToken, n); string(got) != "question" {
			r.Errorf("the echo is %q", got)
		}
	})
}

func TestStreamKnowsTheOtherEnd(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		s, conn := r.peer(loopback)
		if want := conn.LocalAddr().(*net.TCPAddr).AddrPort(); s.Remote() != want {
			r.Errorf("Remote = %v, want %v", s.Remote(), want)
		}
	})
}

func TestStreamRefusedFailsTheHandshake(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		l := r.listenTCP(loopback, listenToken)
		nobody := l.LocalAddr()
		if err := l.Close(); err != nil {
			r.Fatal(err)
		}
		s := r.dial(nobody, dialToken)
		r.awaitWrite(dialToken)
		if _, err := s.Handshake(); !errors.Is(err, syscall.ECONNREFUSED) {
			r.Errorf("Handshake: %v, want %v", err, syscall.ECONNREFUSED)
		}
		s.Close()
		r.closed(s)
		r.quiet()
	})
}

func TestStreamKeepsOrderHoweverItIsCut(t *testing.T) {
	each(t, func(r *rig) {
		s, conn := r.peer(netip.MustParseAddr("127.0.0.1"))
		want := payload(42, 10_000)
		for i := range want {
			want[i] = byte(i * 7)
		}
		for rest, size := want, 1; len(rest) > 0; size = size*2 + 1 {
			n := min(size, len(rest))
			if _, err := conn.Write(rest[:n]); err != nil {
				r.Fatal(err)
			}
			rest = rest[n:]
		}
		got := make([]byte, 0, len(want))
		for size := 1; len(got) < len(want); size = size%50 + 7 {
			got = append(got, r.read(s, acceptToken, min(size, len(want)-len(got)))...)
		}
		if !bytes.Equal(got, want) {
			r.Error("the octets read are not those written")
		}
		for rest, size := want, 1; len(rest) > 0; size = size*2 + 1 {
			n, err := s.Write(rest[:min(size, len(rest))])
			if err != nil {
				r.Fatal(err)
			}
			rest = rest[n:]
		}
		back := make([]byte, len(want))
		if _, err := io.ReadFull(conn, back); err != nil || !bytes.Equal(back, want) {
			r.Errorf("the octets written are not those that the peer read: %v", err)
		}
	})
}

func TestStreamReportsRoomAfterItWasFull(t *testing.T) {
	each(t, func(r *rig) {
		s, conn := r.peer(netip.MustParseAddr("127.0.0.1"))
		written := writeUntilFull(r, s)
		s.WantWrite(true)
		const more = 1 << 20
		type result struct {
			n   int64
			err error
		}
		read := make(chan result, 1)
		go func() {
			n, err := io.CopyN(io.Discard, conn, written+more)
			read <- result{n, err}
		}()
		for left := more; left > 0; {
			r.awaitWrite(acceptToken)
			n, err := s.Write(make([]byte, min(left, 10_000)))
			if err != nil && !errors.Is(err, packetio.ErrWouldBlock) {
				r.Fatal(err)
			}
			left -= n
		}
		if got := <-read; got.err != nil {
			r.Errorf("peer read %d of %d octets: %v", got.n, written+more, got.err)
		}
		s.WantWrite(false)
		r.quiet()
	})
}

func writeUntilFull(r *rig, s packetio.Stream) int64 {
	r.Helper()
	const tooMuch = 64 << 20
	data := make([]byte, 10_000)
	for written := int64(0); written < tooMuch; {
		n, err := s.Write(data)
		if errors.Is(err, packetio.ErrWouldBlock) && n == 0 {
			return written
		}
		if err != nil || n == 0 {
			r.Fatalf("Write after %d octets = %d, %v", written, n, err)
		}
		written += int64(n)
	}
	r.Fatalf("%d octets were taken for a peer that does not read", tooMuch)
	return 0
}

func TestStreamWantsWriteOnlyWhenAsked(t *testing.T) {
	each(t, func(r *rig) {
		s, _ := r.peer(netip.MustParseAddr("127.0.0.1"))
		r.quiet()
		for range 2 {
			s.WantWrite(true)
			r.awaitWrite(acceptToken)
			r.awaitWrite(acceptToken)
			s.WantWrite(false)
			r.quiet()
		}
	})
}

func TestStreamEndsInOrder(t *testing.T) {
	each(t, func(r *rig) {
		s, conn := r.peer(netip.MustParseAddr("127.0.0.1"))
		if _, err := conn.Write([]byte("last words")); err != nil {
			r.Fatal(err)
		}
		if err := conn.CloseWrite(); err != nil {
			r.Fatal(err)
		}
		if got := r.read(s, acceptToken, 10); string(got) != "last words" {
			r.Errorf("read %q", got)
		}
		for range 2 { // the end stays
			if err := r.readError(s, acceptToken); !errors.Is(err, io.EOF) {
				r.Errorf("Read at the end: %v, want EOF", err)
			}
		}
		if _, err := s.Write([]byte("answer")); err != nil {
			r.Errorf("writing after the peer's end: %v", err)
		}
		s.Close()
		r.closed(s)
		if got, err := io.ReadAll(conn); string(got) != "answer" || err != nil {
			r.Errorf("peer read %q, %v", got, err)
		}
		r.quiet()
	})
}

func TestStreamClosedAfterMuchWasWrittenDeliversIt(t *testing.T) {
	each(t, func(r *rig) {
		s, conn := r.peer(netip.MustParseAddr("127.0.0.1"))
		n, err := s.Write(payload(1, 100_000))
		if err != nil {
			r.Fatal(err)
		}
		s.Close()
		r.closed(s)
		if got, err := io.ReadAll(conn); len(got) != n || err != nil {
			r.Errorf("peer read %d of %d octets, %v", len(got), n, err)
		}
	})
}

func TestStreamResetByPeer(t *testing.T) {
	each(t, func(r *rig) {
		s, conn := r.peer(netip.MustParseAddr("127.0.0.1"))
		if err := conn.SetLinger(0); err != nil {
			r.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			r.Fatal(err)
		}
		if err := r.readError(s, acceptToken); !errors.Is(err, syscall.ECONNRESET) {
			r.Errorf("Read: %v, want %v", err, syscall.ECONNRESET)
		}
	})
}

func TestStreamResetIsSeenByPeer(t *testing.T) {
	each(t, func(r *rig) {
		s, conn := r.peer(netip.MustParseAddr("127.0.0.1"))
		s.Reset()
		r.closed(s)
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			r.Errorf("peer's Read: %v, want a reset", err)
		}
	})
}

func TestListenerAcceptsManyConnections(t *testing.T) {
	const many = 200
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		l := r.listenTCP(loopback, listenToken)
		if _, err := r.Accept(l, acceptToken); !errors.Is(err, packetio.ErrWouldBlock) {
			r.Errorf("Accept of nothing: %v, want %v", err, packetio.ErrWouldBlock)
		}
		for i := range Token(many) {
			r.dial(l.LocalAddr(), 1000+i).WantWrite(false)
		}
		var accepted []packetio.Stream
		for i := range Token(many) {
			accepted = append(accepted, r.accept(l, 2000+i))
		}
		if _, err := r.Accept(l, acceptToken); !errors.Is(err, packetio.ErrWouldBlock) {
			r.Errorf("Accept of nothing more: %v, want %v", err, packetio.ErrWouldBlock)
		}
		for i, s := range accepted {
			if _, err := s.Write(payload(i, 8)); err != nil {
				r.Fatal(err)
			}
		}
		for answered := make(map[Token]bool); len(answered) < many; {
			n, err := r.Wait(clock.MonoNow().Add(waittest.Patience()), r.ready[:])
			if err != nil || n == 0 {
				r.Fatalf("%d of %d connections got their answer; then Wait = %d, %v", len(answered), many, n, err)
			}
			for _, ready := range r.ready[:n] {
				answered[ready.Token] = true
			}
		}
	})
}

func TestListenerClosedTwiceIsClosedOnce(t *testing.T) {
	each(t, func(r *rig) {
		l := r.listenTCP(netip.MustParseAddr("127.0.0.1"), listenToken)
		r.dial(l.LocalAddr(), dialToken)
		r.awaitRead(listenToken)
		for range 2 {
			if err := l.Close(); err != nil {
				r.Errorf("Close = %v, want nil", err)
			}
		}
	})
}
