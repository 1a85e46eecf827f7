package zmtp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// tight are limits that arbitrary octets reach.
var tight = Options{HWM: 4, MaxSubscriptions: 3, MaxSubscriptionOctets: 20}

// Whatever a peer sends and in whatever pieces, the connection ends when the peer's side does, and it
// never holds more than the limits allow.
func FuzzPeer(f *testing.F) {
	attack := "\x06\x7f\xff\xff\xff\xff\xff\xff\xff"
	for _, s := range []string{
		"", "\x01\x00", greeting31, greeting31 + attack, greeting30 + readySUB, greeting31 + readyPUB,
		greeting31 + readySUB + attack, greeting31 + command("ERROR", "\x00"),
	} {
		f.Add(false, uint8(7), []byte(s))
	}
	for _, s := range []string{
		attack, command("SUBSCRIBE", "m") + command("CANCEL", "m"), message("\x01m") + message("\x00m"),
		command("PING", "\x00\x01context") + command("PONG", ""), encode(1, "\x01a") + message("\x01"),
		strings.Repeat(command("PING", "\x00\x00"), 40), command("SUBSCRIBE", strings.Repeat("m", 21)),
		command("SUBSCRIBE", "1") + command("SUBSCRIBE", "2") + command("SUBSCRIBE", "3") + command("SUBSCRIBE", "4"),
	} {
		f.Add(true, uint8(3), []byte(s))
	}
	f.Fuzz(func(t *testing.T, shaken bool, piece uint8, octets []byte) {
		if shaken {
			octets = append([]byte(greeting31+readySUB), octets...)
		}
		p, err := newPUB(tight)
		if err != nil {
			t.Fatal(err)
		}
		here, there := net.Pipe()
		c := &peer{conn: there}
		p.handshakes = append(p.handshakes, c)
		ended := make(chan struct{})
		p.work.Add(1)
		go func() {
			defer close(ended)
			p.serve(c)
		}()
		go func() { _, _ = io.Copy(io.Discard, here) }()
		speak(t, p, here, octets, int(piece)+1)
		_ = here.Close()
		select {
		case <-ended:
		case <-time.After(patience()):
			t.Fatalf("still there after %v", patience())
		}
		s := p.Stats()
		if s.Joined+s.Refused+s.Failed != 1 || s.Subscribers != 0 || s.Handshakes != 0 {
			t.Errorf("Stats() = %+v", s)
		}
	})
}

// speak writes the octets in pieces, publishes after each, and looks at what the subscriber holds.
func speak(t *testing.T, p *PUB, conn net.Conn, octets []byte, piece int) {
	for len(octets) > 0 {
		n := min(piece, len(octets))
		if _, err := conn.Write(octets[:n]); err != nil {
			return
		}
		octets = octets[n:]
		if err := p.Send([]byte("message")); err != nil {
			t.Fatal(err)
		}
		for _, s := range *p.subscribers.Load() {
			s.checkLimits(t)
		}
	}
}

func (s *subscriber) checkLimits(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := 0
	for _, topic := range s.subscriptions.topics {
		held += len(topic.prefix)
	}
	if held != s.subscriptions.octets || held > tight.MaxSubscriptionOctets ||
		len(s.subscriptions.topics) > tight.MaxSubscriptions {
		t.Fatalf("%d subscriptions of %d octets, counted as %d", len(s.subscriptions.topics), held, s.subscriptions.octets)
	}
	if s.queued > tight.HWM || len(s.pongs) > maxPongs {
		t.Fatalf("%d messages, %d answers queued", s.queued, len(s.pongs))
	}
}

// The reader finds the same frames however they come, in a buffer no larger than a frame.
func FuzzFrames(f *testing.F) {
	f.Add(uint8(1), []byte(readySUB+message("\x01a")+encode(1, strings.Repeat("x", 300))))
	f.Add(uint8(100), []byte("\x02\x00\x00\x00\x00\x00\x00\x10\x00"))
	f.Add(uint8(9), []byte("\x02\x7f\xff\xff\xff\xff\xff\xff\xff"))
	f.Add(uint8(9), []byte("\x05\x00"))
	f.Fuzz(func(t *testing.T, piece uint8, octets []byte) {
		r := newReader(&octetConn{octets: octets, piece: int(piece) + 1})
		rest := octets
		for {
			want, n, wantErr := parseFrame(rest)
			got, err := r.frame()
			if len(r.buf) > maxBuffer {
				t.Fatalf("a buffer of %d octets", len(r.buf))
			}
			if wantErr == nil && n == 0 {
				wantErr = io.EOF
			}
			if !errors.Is(err, wantErr) || got.flags != want.flags || !bytes.Equal(got.body, want.body) {
				t.Fatalf("got %v, error %v, want %v, %v", got, err, want, wantErr)
			}
			if err != nil {
				return
			}
			if kind := got.flags &^ flagLong; got.flags&flagLong == 0 || len(got.body) > 255 {
				if b := appendFrame(nil, kind, got.body); !bytes.Equal(b, rest[:n]) {
					t.Fatalf("encoded again %q, want %q", b, rest[:n])
				}
			}
			rest = rest[n:]
		}
	})
}

// octetConn is a connection to read from, piece by piece.
type octetConn struct {
	net.Conn
	octets []byte
	piece  int
}

func (c *octetConn) Read(b []byte) (int, error) {
	if len(c.octets) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.octets[:min(c.piece, len(c.octets))])
	c.octets = c.octets[n:]
	return n, nil
}
