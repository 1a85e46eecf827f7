package packetio

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// lingering is how long octets written may still take to leave after Close.
const lingering = time.Second

// PortableStream is a TCP connection of the net package. One goroutine reads it, another connects it
// and then writes it.
type PortableStream struct {
	remote netip.AddrPort
	report func()
	done   chan struct{}      // closed by Close and Reset
	cancel context.CancelFunc // ends connecting
	in     inbox
	out    outbox

	mu      sync.Mutex   // guards the following
	conn    *net.TCPConn // nil = not connected
	failure error        // why connecting failed
	closed  bool
}

func newStream(remote netip.AddrPort, report func()) *PortableStream {
	return &PortableStream{
		remote: remote, report: report, done: make(chan struct{}), cancel: func() {}, in: newInbox(), out: newOutbox(),
	}
}

// Dial starts connecting to the address to, with these marks on all packets as far as the system lets.
// All failures come from Handshake. The stream wants to write from the beginning.
func (p *Portable) Dial(to netip.AddrPort, m Marking, report func()) *PortableStream {
	s := newStream(to, report)
	s.out.wanted = true
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	p.goroutines.Go(func() {
		defer cancel()
		dialer := net.Dialer{KeepAlive: -1}
		dialer.Control = func(_, _ string, socket syscall.RawConn) error {
			return setMarks(socket, to.Addr().Is4(), m)
		}
		// DialTCP would bind the socket first, and so use a port up for all destinations.
		conn, err := dialer.DialContext(ctx, network("tcp", to.Addr()), to.String())
		if err != nil {
			s.fail(cause(err))
			return
		}
		c := conn.(*net.TCPConn)
		setMarksLate(c, to.Addr().Is4(), m)
		if s.begin(c) {
			s.run(p)
		} else {
			reset(c)
		}
	})
	return s
}

func (s *PortableStream) fail(err error) {
	s.mu.Lock()
	s.failure = err
	s.mu.Unlock()
	s.report()
}

// begin makes conn the stream's, unless that was closed meanwhile.
func (s *PortableStream) begin(conn *net.TCPConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conn = conn
	return true
}

// run moves octets between the connection and the loop, until Close or Reset. It begins with a
// report: a stream that was dialed can be used now.
func (s *PortableStream) run(p *Portable) {
	conn := s.conn // begin has set it for good
	defer func() { _ = conn.Close() }()
	p.goroutines.Go(func() { s.in.fill(conn, s.done, s.report) })
	s.report()
	s.out.drain(conn, s.done, s.report)
	<-s.done
}

// Remote implements Stream.
func (s *PortableStream) Remote() netip.AddrPort { return s.remote }

// state is nil for a stream that can be used.
func (s *PortableStream) state() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return net.ErrClosed
	case s.failure != nil:
		return s.failure
	case s.conn == nil:
		return ErrWouldBlock
	}
	return nil
}

// Handshake implements Stream. Its times are not known.
func (s *PortableStream) Handshake() (Handshake, error) { return Handshake{}, s.state() }

// Read implements Stream.
func (s *PortableStream) Read(p []byte) (int, clock.Wall, measurement.TimestampSource, error) {
	if err := s.state(); err != nil {
		return 0, 0, 0, err
	}
	n, at, err := s.in.take(p)
	if err != nil {
		return 0, 0, 0, err
	}
	return n, at, measurement.SourceUser, nil
}

// Write implements Stream.
func (s *PortableStream) Write(p []byte) (int, error) {
	if err := s.state(); err != nil {
		return 0, err
	}
	return s.out.add(p)
}

// WantWrite implements Stream.
func (s *PortableStream) WantWrite(want bool) {
	s.out.wanted = want
	s.report()
}

// Ready implements PortableSocket.
func (s *PortableStream) Ready() (read, write bool) {
	switch err := s.state(); err {
	case nil:
		return s.in.ready(), s.out.ready()
	case ErrWouldBlock, net.ErrClosed:
		return false, false
	}
	return true, true
}

// Close implements Stream.
func (s *PortableStream) Close() {
	if conn := s.end(); conn != nil {
		_ = conn.SetWriteDeadline(time.Now().Add(lingering))
		close(s.done) // run closes conn
	}
}

// Reset implements Stream.
func (s *PortableStream) Reset() {
	if conn := s.end(); conn != nil {
		reset(conn)
		close(s.done)
	}
}

// end marks the stream closed and returns the connection that is left to be closed; nil when there is
// none, or when it is closed already.
func (s *PortableStream) end() *net.TCPConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.cancel()
	return s.conn
}
