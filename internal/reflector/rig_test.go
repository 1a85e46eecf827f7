package reflector

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

const ourName = "reflector"

var loopback = netip.MustParseAddr("127.0.0.1")

// implementation is a poller and how exact its timestamps are.
type implementation struct {
	name  string
	open  func() (loop.Poller, error)
	stamp measurement.TimestampSource
}

func implementations() []implementation {
	return append(systemImplementations(), implementation{
		name: "portable", stamp: measurement.SourceUser,
		open: func() (loop.Poller, error) { return loop.NewPortable() },
	})
}

// rig is a Reflector with the test as consumer of its ring. Its loop runs after start; without that,
// the test drives it.
type rig struct {
	*testing.T
	implementation
	*Reflector
	poller   loop.Poller
	ring     *ring.SPSC
	counters *selfstats.Block
	udp, tcp netip.AddrPort // where it listens
	loop     *loop.Loop
	ended    chan error
	ready    [16]loop.Ready
	samples  []measurement.Sample // popped and not taken yet
}

// testConfig is what tests change before the Reflector is made.
func testConfig(ip netip.Addr) Config {
	local := []netip.AddrPort{netip.AddrPortFrom(ip, 0)}
	return Config{
		Name: ourName, UDP: local, TCP: local, Optional: func(netip.AddrPort, error) bool { return false },
		MaxSize: 1470, MaxSessions: 64, Timeout: 10 * time.Second,
	}
}

// newRig makes a Reflector whose loop does not run yet.
func newRig(t *testing.T, i implementation, c Config) *rig {
	t.Helper()
	p, err := i.open()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, implementation: i, poller: p, counters: new(selfstats.Block)}
	if r.ring, err = ring.New(1 << 14); err != nil {
		t.Fatal(err)
	}
	c.Ring, c.Counters = r.ring, r.counters
	if r.Reflector, _, err = New(p, c); err != nil {
		_ = p.Close()
		t.Fatal(err)
	}
	r.udp, r.tcp = r.sockets[0].conn.LocalAddr(), r.listeners[0].LocalAddr()
	r.loop = loop.New(p, r.Reflector, 0)
	t.Cleanup(r.stop)
	return r
}

// each runs a test with a running Reflector of every implementation.
func each(t *testing.T, test func(r *rig)) { eachWith(t, testConfig(loopback), test) }

func eachWith(t *testing.T, c Config, test func(r *rig)) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) {
			r := newRig(t, i, c)
			r.start()
			test(r)
		})
	}
}

// eachByHand is eachWith, but the test drives the Reflector.
func eachByHand(t *testing.T, c Config, test func(r *rig)) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) { test(newRig(t, i, c)) })
	}
}

// eachFamily runs a test with a running Reflector of every implementation on each family's loopback
// address.
func eachFamily(t *testing.T, test func(r *rig)) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			conn, err := net.ListenPacket("udp", net.JoinHostPort(ip, "0"))
			if err != nil {
				t.Skipf("not on this platform: no address %s: %v", ip, err)
			}
			_ = conn.Close()
			eachWith(t, testConfig(netip.MustParseAddr(ip)), test)
		})
	}
}

func (r *rig) start() {
	r.ended = make(chan error, 1)
	go func() { r.ended <- r.loop.Run() }()
}

// stop ends the Reflector, and its loop if that runs. After it the test may look into the Reflector.
func (r *rig) stop() {
	switch {
	case r.loop == nil:
		return
	case r.ended == nil:
		r.loop.Close()
	default:
		r.loop.Send(loop.Command{Verb: loop.Stop})
		if err := <-r.ended; err != nil {
			r.Errorf("the loop ended: %v", err)
		}
	}
	r.loop = nil
}

// drive does by hand what the loop does, until the condition holds.
func (r *rig) drive(what string, condition func() bool) {
	r.Helper()
	deadline := clock.MonoNow().Add(waittest.Patience())
	for !condition() {
		n, err := r.poller.Wait(clock.MonoNow().Add(time.Millisecond), r.ready[:])
		if err != nil {
			r.Fatal(err)
		}
		for _, ready := range r.ready[:n] {
			r.Ready(ready, readBatch)
		}
		if clock.MonoNow() > deadline {
			r.Fatalf("after %v still not: %s", waittest.Patience(), what)
		}
	}
}

// driveTo drives until a counter is n.
func (r *rig) driveTo(c selfstats.Counter, n uint64) {
	r.Helper()
	r.drive(c.String(), func() bool { return r.counters.Get(c) >= n })
}

func (r *rig) pop() {
	var batch [64]measurement.Sample
	for n := r.ring.Pop(batch[:]); n > 0; n = r.ring.Pop(batch[:]) {
		r.samples = append(r.samples, batch[:n]...)
	}
}

// take waits for the first sample that fits, and takes it.
func (r *rig) take(what string, fits func(s *measurement.Sample) bool) measurement.Sample {
	r.Helper()
	var taken measurement.Sample
	waittest.Until(r, what, func() bool {
		r.pop()
		for i := range r.samples {
			if fits(&r.samples[i]) {
				taken = r.samples[i]
				r.samples = append(r.samples[:i], r.samples[i+1:]...)
				return true
			}
		}
		return false
	})
	return taken
}

// next waits for the next sample, whatever it is.
func (r *rig) next() measurement.Sample {
	r.Helper()
	return r.take("a sample", func(*measurement.Sample) bool { return true })
}

func (r *rig) metric(m measurement.Metric) measurement.Sample {
	r.Helper()
	return r.take("a sample of "+m.String(), func(s *measurement.Sample) bool {
		return s.Kind == measurement.KindMetric && s.Metric == m
	})
}

// identity waits for the next announcement of a session.
func (r *rig) identity() (id measurement.SessionID, identity string) {
	r.Helper()
	var names measurement.NameAssembler
	for {
		s := r.take("a name", func(s *measurement.Sample) bool { return s.Kind == measurement.KindName })
		if text, complete := names.Add(&s); complete {
			return s.Session, string(text)
		}
	}
}

// noMore fails the test when samples of this kind are on the ring.
func (r *rig) noMore(kind measurement.Kind) {
	r.Helper()
	r.pop()
	for _, s := range r.samples {
		if s.Kind == kind {
			r.Errorf("unexpected sample %+v", s)
		}
	}
}

func (r *rig) counted(c selfstats.Counter, n uint64) {
	r.Helper()
	waittest.Until(r, c.String()+" = "+strconv.FormatUint(n, 10), func() bool { return r.counters.Get(c) >= n })
}

func (r *rig) counts(c selfstats.Counter, n uint64) {
	r.Helper()
	if got := r.counters.Get(c); got != n {
		r.Errorf("%s = %d, want %d", c, got, n)
	}
}

// request is a probe that can be changed before it is sent.
type request struct {
	seq     int
	name    string
	t1      int64
	tags    string
	padding string
}

// probe is a usual one.
func probe(seq int) request {
	return request{seq: seq, name: "prober", t1: time.Now().UnixNano(), tags: "['isp:local']"}
}

func (q request) bytes() []byte {
	return []byte(strconv.Itoa(q.seq) + "|" + q.name + "|" + strconv.FormatInt(q.t1, 10) + "|" + q.tags + "|" + q.padding)
}

// client is a prober's UDP socket.
type client struct {
	*testing.T
	conn *net.UDPConn
}

func (r *rig) client() *client {
	r.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.udp))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = conn.Close() })
	return &client{r.T, conn}
}

func (c *client) send(data []byte) {
	c.Helper()
	if _, err := c.conn.Write(data); err != nil {
		c.Fatal(err)
	}
}

// receive waits for the next reply.
func (c *client) receive() []byte {
	c.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(waittest.Patience()))
	buf := make([]byte, 1<<16)
	n, err := c.conn.Read(buf)
	if err != nil {
		c.Fatalf("waiting for a reply: %v", err)
	}
	return buf[:n]
}

// ask sends a probe and waits for its reply.
func (c *client) ask(q request) textproto.Message {
	c.Helper()
	c.send(q.bytes())
	reply := c.receive()
	m, err := textproto.Decode(reply)
	if err != nil || m.Seq != q.seq {
		c.Fatalf("reply %q: %v, want one with number %d", reply, err, q.seq)
	}
	return m
}

// answered tells whether the Reflector still answers.
func (c *client) answered() {
	c.Helper()
	c.ask(probe(100))
}

// stream is a prober's TCP connection.
type stream struct {
	*testing.T
	*net.TCPConn
	scanner *textproto.Scanner
}

func (r *rig) dial() *stream {
	r.Helper()
	conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(r.tcp))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = conn.Close() })
	return &stream{r.T, conn, textproto.NewScanner(1 << 16)}
}

func (s *stream) send(data []byte) {
	s.T.Helper()
	if _, err := s.Write(data); err != nil {
		s.Fatal(err)
	}
}

// receive waits for the next reply. It does not tell where padding ends.
func (s *stream) receive() textproto.Message {
	s.T.Helper()
	_ = s.SetReadDeadline(time.Now().Add(waittest.Patience()))
	for {
		m, ok, err := s.scanner.Next()
		if err != nil {
			s.Fatalf("reading replies: %v", err)
		}
		if ok {
			return m
		}
		n, err := s.Read(s.scanner.Free())
		if err != nil {
			s.Fatalf("waiting for a reply: %v", err)
		}
		s.scanner.Fed(n)
	}
}

// ends waits for the end of the connection.
func (s *stream) ends() {
	s.T.Helper()
	_ = s.SetReadDeadline(time.Now().Add(waittest.Patience()))
	buf := make([]byte, 1<<16)
	for {
		_, err := s.Read(buf)
		if isTimeout(err) {
			s.Fatal("the connection is still there")
		}
		if err != nil {
			return
		}
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}
