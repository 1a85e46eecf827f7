package packetio

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// acceptAhead is how many connections are accepted before the loop takes the first.
const acceptAhead = 16

// PortableListener is a listening TCP socket of the net package. A goroutine accepts.
type PortableListener struct {
	sockets  *Portable
	listener *net.TCPListener
	local    netip.AddrPort
	accepted chan incoming
	done     chan struct{} // closed by Close
	closed   bool
}

type incoming struct {
	conn *net.TCPConn
	err  error
}

// ListenTCP listens on local, whose port may be 0.
func (p *Portable) ListenTCP(local netip.AddrPort, report func()) (*PortableListener, error) {
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false) // the default on Linux is true; we measure TCP
	listener, err := config.Listen(context.Background(), network("tcp", local.Addr()), local.String())
	if err != nil {
		return nil, fmt.Errorf("listen on tcp %s: %w", local, cause(err))
	}
	l := &PortableListener{
		sockets: p, listener: listener.(*net.TCPListener), local: unmapped(listener.Addr().(*net.TCPAddr).AddrPort()),
		accepted: make(chan incoming, acceptAhead), done: make(chan struct{}),
	}
	p.goroutines.Go(func() { l.run(report) })
	return l, nil
}

// run accepts until the socket is closed, and then closes what the loop has not taken.
func (l *PortableListener) run(report func()) {
	defer l.refuse()
	for {
		conn, err := l.listener.AcceptTCP()
		if ended(err) {
			return
		}
		select {
		case l.accepted <- incoming{conn, cause(err)}:
			report()
		case <-l.done:
			reset(conn)
			return
		}
	}
}

func (l *PortableListener) refuse() {
	<-l.done
	for {
		select {
		case in := <-l.accepted:
			reset(in.conn)
		default:
			return
		}
	}
}

func reset(conn *net.TCPConn) {
	if conn == nil {
		return
	}
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// LocalAddr implements Listener.
func (l *PortableListener) LocalAddr() netip.AddrPort { return l.local }

// Ready implements PortableSocket.
func (l *PortableListener) Ready() (read, write bool) { return !l.closed && len(l.accepted) > 0, false }

// Accept takes one connection; ErrWouldBlock when none waits.
func (l *PortableListener) Accept(report func()) (*PortableStream, error) {
	select {
	case in := <-l.accepted:
		if in.err != nil {
			return nil, in.err
		}
		s := newStream(unmapped(in.conn.RemoteAddr().(*net.TCPAddr).AddrPort()), report)
		s.begin(in.conn)
		l.sockets.goroutines.Go(func() { s.run(l.sockets) })
		return s, nil
	default:
		return nil, ErrWouldBlock
	}
}

// Close implements Listener.
func (l *PortableListener) Close() error {
	if l.closed {
		return nil
	}
	l.closed = true
	close(l.done)
	return l.listener.Close()
}
