package zmtp

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen. LM_TIMEOUT_FACTOR makes it longer.
func patience() time.Duration {
	factor, err := strconv.ParseFloat(os.Getenv("LM_TIMEOUT_FACTOR"), 64)
	if err != nil {
		factor = 1
	}
	return time.Duration(factor * float64(20*time.Second))
}

// eventually polls until the condition holds. Counters are made to be polled.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience())
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after %v still not: %s", patience(), what)
		}
	}
}

// ends collects what OnClose is told.
type ends chan error

// testPUB is a PUB on 127.0.0.1 that is closed with the test.
type testPUB struct {
	*PUB
	ends ends
}

func listen(t testing.TB, o Options) *testPUB {
	t.Helper()
	e := make(ends, 1000)
	o.OnClose = func(_ net.Addr, err error) { e <- err }
	p, err := Listen("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(t, p) })
	return &testPUB{p, e}
}

// closeNow closes without waiting for subscribers, and checks that the counters add up.
func closeNow(t testing.TB, p *PUB) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Close = %v", err)
	}
	s := p.Stats()
	if s.Subscribers != 0 || s.Handshakes != 0 || s.Queued != 0 || s.Accepted != s.Joined+s.Refused+s.Failed {
		t.Errorf("after Close the connections do not add up: %+v", s)
	}
}

// wantEnd waits for the end of a connection.
func (p *testPUB) wantEnd(t testing.TB, want error) {
	t.Helper()
	select {
	case err := <-p.ends:
		if !errors.Is(err, want) {
			t.Errorf("a connection ended with %v, want %v", err, want)
		}
	case <-time.After(patience()):
		t.Fatalf("no connection ended within %v, want %v", patience(), want)
	}
}

func (p *testPUB) send(t testing.TB, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if err := p.Send([]byte(m)); err != nil {
			t.Fatalf("Send: %v", err)
		}
	}
}

// subscriptionCount returns the number of different subscriptions of all subscribers.
func subscriptionCount(p *PUB) int {
	n := 0
	for _, s := range *p.subscribers.Load() {
		s.mu.Lock()
		n += len(s.subscriptions.topics)
		s.mu.Unlock()
	}
	return n
}

func wantSubscriptions(t testing.TB, p *PUB, n int) {
	t.Helper()
	eventually(t, strconv.Itoa(n)+" subscriptions", func() bool { return subscriptionCount(p) == n })
}

// raw is a peer that knows the protocol only as far as a test tells it, from the text of RFC 37.
type raw struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

const (
	greeting31 = "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x01NULL\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	readySUB = "\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
	readyPUB = "\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"
)

var (
	greeting30 = greeting31[:11] + "\x00" + greeting31[12:]
	// greetingOf31 is the greeting that a PUB sends.
	greetingOf31 = "\xff\x00\x00\x00\x00\x00\x00\x00\x00" + greeting31[9:]
)

func newRaw(t testing.TB, conn net.Conn) *raw {
	t.Cleanup(func() { _ = conn.Close() })
	return &raw{t, conn, bufio.NewReader(conn)}
}

func dial(t testing.TB, p *testPUB) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience())); err != nil {
		t.Fatal(err)
	}
	return newRaw(t, conn)
}

// subscribed dials, shakes hands and subscribes, and waits until that has happened.
func subscribed(t testing.TB, p *testPUB, topics ...string) *raw {
	t.Helper()
	before := subscriptionCount(p.PUB)
	r := dial(t, p)
	r.shakeHands()
	for _, topic := range topics {
		r.write(command("SUBSCRIBE", topic))
	}
	wantSubscriptions(t, p.PUB, before+len(topics))
	return r
}

func (r *raw) write(octets string) {
	r.t.Helper()
	if _, err := io.WriteString(r.conn, octets); err != nil {
		r.t.Fatalf("write %q: %v", octets, err)
	}
}

func (r *raw) shakeHands() {
	r.t.Helper()
	r.write(greeting31 + readySUB)
	r.want(greetingOf31 + readyPUB)
}

// want reads as many octets and compares.
func (r *raw) want(octets string) {
	r.t.Helper()
	got := make([]byte, len(octets))
	if n, err := io.ReadFull(r.in, got); err != nil || string(got) != octets {
		r.t.Fatalf("read %q, error %v, want %q", got[:n], err, octets)
	}
}

// wantMessages reads messages and compares them.
func (r *raw) wantMessages(messages ...string) {
	r.t.Helper()
	for _, m := range messages {
		if got := r.message(); got != m {
			r.t.Fatalf("got message %q, want %q", got, m)
		}
	}
}

// message reads a message.
func (r *raw) message() string {
	r.t.Helper()
	m, err := r.next()
	if err != nil {
		r.t.Fatalf("read a message: %v", err)
	}
	return m
}

func (r *raw) next() (string, error) {
	flags, err := r.in.ReadByte()
	if err != nil {
		return "", err
	}
	var size uint64
	switch flags {
	case 0:
		octet, err := r.in.ReadByte()
		if err != nil {
			return "", err
		}
		size = uint64(octet)
	case 2:
		var b [8]byte
		if _, err := io.ReadFull(r.in, b[:]); err != nil {
			return "", err
		}
		if size = binary.BigEndian.Uint64(b[:]); size < 256 {
			r.t.Fatalf("a long frame of %d octets", size)
		}
	default:
		r.t.Fatalf("frame with flags %#x, want a message", flags)
	}
	body := make([]byte, size)
	_, err = io.ReadFull(r.in, body)
	return string(body), err
}

// wantClosed reads the end of the stream, whatever comes before.
func (r *raw) wantClosed() {
	r.t.Helper()
	if _, err := io.Copy(io.Discard, r.in); isTimeout(err) {
		r.t.Fatalf("the connection is still open")
	}
}

// message and command encode short frames, and long ones when they must.
func message(body string) string { return encode(0, body) }

func command(name, data string) string {
	return encode(4, string([]byte{byte(len(name))})+name+data)
}

func encode(flags byte, body string) string {
	if len(body) < 256 {
		return string([]byte{flags, byte(len(body))}) + body
	}
	return string(binary.BigEndian.AppendUint64([]byte{flags | 2}, uint64(len(body)))) + body
}

// pipes is a listener whose connections have no buffers, no sockets, and time as synctest has it.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

func (l *pipes) dial(t testing.TB) *raw {
	here, there := net.Pipe()
	l.conns <- there
	return newRaw(t, here)
}
