package zmtp

import (
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPeersAreLetInOrNot(t *testing.T) {
	const oldSub = "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x02\x00\x00" // ZMTP 2.0: revision, type, identity
	mechanism := func(name string) string {
		return greeting31[:12] + name + strings.Repeat("\x00", 20-len(name)) + greeting31[32:]
	}
	ready := func(properties string) string { return command("READY", properties) }
	const socketType = "\x0bSocket-Type\x00\x00\x00"
	tests := []struct {
		name string
		sent string
		want error // nil: a subscriber
	}{
		{"a SUB of 3.1", greeting31 + readySUB, nil},
		{"a SUB of 3.0", greeting30 + readySUB, nil},
		{"an XSUB", greeting31 + ready(socketType+"\x04XSUB"), nil},
		{"a later minor version", greeting31[:11] + "\x07" + greeting31[12:] + readySUB, nil},
		{"a later major version", greeting31[:10] + "\x04\x00" + greeting31[12:] + readySUB, nil},
		{"padding, as-server and filler of any kind", "\xff12345678\x7f" + greeting31[10:32] + strings.Repeat("f", 32) + readySUB, nil},
		{"other properties, and names in another case", greeting31 + ready("\x08Identity\x00\x00\x00\x00\x0bsocket-TYPE\x00\x00\x00\x03SUB\x03X-a\x00\x00\x00\x01b"), nil},
		{"READY in a long frame", greeting31 + "\x06\x00\x00\x00\x00\x00\x00\x00" + readySUB[1:], nil},

		{"ZMTP 1.0", "\x01\x00", ErrNotZMTP},
		{"ZMTP 1.0 with a long length", "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00", ErrNotZMTP},
		{"ZMTP 2.0", oldSub, ErrVersion},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", ErrNotZMTP},
		{"PLAIN", mechanism("PLAIN") + readySUB, ErrMechanism},
		{"a mechanism that begins with NULL", mechanism("NULLS") + readySUB, ErrMechanism},
		{"no mechanism", mechanism("") + readySUB, ErrMechanism},
		{"a PUB", greeting31 + readyPUB, ErrSocketType},
		{"a socket type that begins with SUB", greeting31 + ready(socketType+"\x04SUBS"), ErrSocketType},
		{"no socket type", greeting31 + ready(""), ErrSocketType},
		{"a message instead of READY", greeting31 + message("READY"), ErrReady},
		{"ERROR instead of READY", greeting31 + command("ERROR", "\x03why"), ErrReady},
		{"a subscription instead of READY", greeting31 + command("SUBSCRIBE", ""), ErrReady},
		{"a command without a name", greeting31 + "\x04\x00", ErrFrame},
		{"a command with an empty name", greeting31 + "\x04\x01\x00", ErrFrame},
		{"a command whose name is longer than it", greeting31 + "\x04\x02\x05R", ErrFrame},
		{"a property without a name", greeting31 + ready("\x00\x00\x00\x00\x00"), ErrReady},
		{"a property without a value", greeting31 + ready("\x01a"), ErrReady},
		{"a property longer than the command", greeting31 + ready("\x0bSocket-Type\x00\x00\x00\x04SUB"), ErrReady},
		{"a property of 2^32-1 octets", greeting31 + ready("\x0bSocket-Type\xff\xff\xff\xffSUB"), ErrReady},
		{"reserved flags", greeting31 + "\x0c" + readySUB[1:], ErrFrame},
		{"a command of several frames", greeting31 + "\x05" + readySUB[1:], ErrFrame},
		{"READY longer than any", greeting31 + "\x06\x00\x00\x00\x00\x00\x00\x10\x01", ErrFrameSize},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := listen(t, Options{})
			r := dial(t, p)
			r.write(tt.sent)
			if tt.want != nil {
				r.wantClosed()
				p.wantEnd(t, tt.want)
				wantRejected(t, p, tt.want)
				return
			}
			r.want(greetingOf31 + readyPUB)
			r.write(command("SUBSCRIBE", "a"))
			wantSubscriptions(t, p.PUB, 1)
			p.send(t, "abc")
			r.wantMessages("abc")
		})
	}
}

func wantRejected(t *testing.T, p *testPUB, reason error) {
	t.Helper()
	s := p.Stats()
	want := Stats{Accepted: 1, Failed: 1}
	if errors.Is(reason, ErrSocketType) {
		want = Stats{Accepted: 1, Refused: 1}
	}
	if s != want {
		t.Errorf("Stats() = %+v, want %+v", s, want)
	}
}

func TestWrongSocketTypeIsToldWhy(t *testing.T) {
	p := listen(t, Options{})
	r := dial(t, p)
	r.write(greeting31 + readyPUB)
	r.want(greetingOf31 + "\x04\x1a\x05ERROR\x13Invalid socket type")
	r.wantClosed()
}

// A connection whose octets come one by one, each with a read of its own, is as good as any.
func TestHandshakeAndTrafficOctetByOctet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		p, err := Serve(l, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(t, p)
		r := l.dial(t)
		go func() {
			long := strings.Repeat("x", 300)
			for _, octet := range []byte(greeting31 + readySUB + command("SUBSCRIBE", "a") + message("\x01b") +
				command("SUBSCRIBE", long) + command("CANCEL", long)) {
				r.write(string([]byte{octet}))
			}
		}()
		r.want(greetingOf31 + readyPUB)
		synctest.Wait()
		for _, m := range []string{"b1", "c", "a2", strings.Repeat("x", 300)} {
			if err := p.Send([]byte(m)); err != nil {
				t.Fatal(err)
			}
		}
		r.wantMessages("b1", "a2")
		if s := p.Stats(); s.Unmatched != 2 {
			t.Errorf("%d messages unmatched, want 2", s.Unmatched)
		}
	})
}

func TestHandshakeHasADeadlineForTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		e := make(ends, 1)
		p, err := Serve(l, Options{HandshakeTimeout: 3 * time.Second, OnClose: tell(e)})
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(t, p)
		start := time.Now()
		r := l.dial(t)
		go func() { _, _ = io.Copy(io.Discard, r.conn) }()
		go func() {
			for _, octet := range []byte(greeting31) { // an octet a second never takes too long by itself
				if _, err := r.conn.Write([]byte{octet}); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}()
		if err := <-e; !errors.Is(err, ErrHandshakeTimeout) {
			t.Errorf("ended with %v, want %v", err, ErrHandshakeTimeout)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("ended after %v, want 3s", took)
		}
		if s := p.Stats(); s.Failed != 1 {
			t.Errorf("Stats() = %+v, want 1 failed", s)
		}
		<-time.After(time.Second) // the writer above ends, too
	})
}

// 64 octets of greeting and the header of a frame of nearly 2^63 octets: what makes other
// implementations allocate that.
func TestLengthNear2To63IsRefusedWithoutAllocating(t *testing.T) {
	for _, flags := range []string{"\x02", "\x06"} {
		for _, length := range []string{"\x7f\xff\xff\xff\xff\xff\xff\xff", "\x7f\xff\xff\xff\xff\xff\xff\xf0",
			"\x80\x00\x00\x00\x00\x00\x00\x00", "\xff\xff\xff\xff\xff\xff\xff\xff"} {
			p := listen(t, Options{})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			const attack = greeting31
			if octets := attack + flags + length; len(octets) != 73 {
				t.Fatalf("%d octets", len(octets))
			}
			r := dial(t, p)
			r.write(attack + flags + length)
			r.wantClosed()
			p.wantEnd(t, ErrFrameSize)

			r = dial(t, p) // and once more, after the handshake
			r.shakeHands()
			r.write(flags + length)
			r.wantClosed()
			p.wantEnd(t, ErrFrameSize)
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
				t.Errorf("%q: %d octets allocated", flags+length, n)
			}
		}
	}
}

// tell returns an OnClose.
func tell(e ends) func(_ net.Addr, err error) {
	return func(_ net.Addr, err error) { e <- err }
}
