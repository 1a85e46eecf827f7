package sender

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// udpPeer is a target whose every reply the test decides on.
type udpPeer struct {
	testing.TB
	conn *net.UDPConn
}

// probe is a probe as a peer received it.
type probe struct {
	textproto.Message
	from netip.AddrPort
}

func newUDPPeer(t testing.TB, local netip.AddrPort) *udpPeer {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &udpPeer{t, conn}
}

func (p *udpPeer) addr() netip.AddrPort {
	return unmapped(p.conn.LocalAddr().(*net.UDPAddr).AddrPort())
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// receive waits for the next probe.
func (p *udpPeer) receive() probe {
	p.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(waittest.Patience()))
	buf := make([]byte, 1<<16)
	n, from, err := p.conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		p.Fatalf("waiting for a probe: %v", err)
	}
	m, err := textproto.Decode(buf[:n])
	if err != nil {
		p.Fatalf("Decode(%q): %v", buf[:n], err)
	}
	return probe{m, unmapped(from)}
}

// answer replies to a probe and returns the T2 that it says.
func (p *udpPeer) answer(m probe) (t2 int64) {
	p.Helper()
	t2 = time.Now().UnixNano()
	p.send(textproto.AppendReply(nil, m.Message, "peer", t2), m.from)
	return t2
}

func (p *udpPeer) send(data []byte, to netip.AddrPort) {
	p.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(data, to); err != nil {
		p.Fatal(err)
	}
}

// answerAll answers whatever comes, until the socket is closed.
func (p *udpPeer) answerAll() {
	buf := make([]byte, 1<<16)
	_ = p.conn.SetReadDeadline(time.Time{})
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if m, err := textproto.Decode(buf[:n]); err == nil {
			_, _ = p.conn.WriteToUDPAddrPort(textproto.AppendReply(nil, m, "peer", time.Now().UnixNano()), from)
		}
	}
}

// tcpPeer is a TCP target.
type tcpPeer struct {
	*testing.T
	listener *net.TCPListener
}

func newTCPPeer(t *testing.T, local netip.AddrPort) *tcpPeer {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(local))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &tcpPeer{t, l}
}

func (p *tcpPeer) addr() netip.AddrPort {
	return unmapped(p.listener.Addr().(*net.TCPAddr).AddrPort())
}

// accept waits for a connection.
func (p *tcpPeer) accept() *tcpConn {
	p.Helper()
	_ = p.listener.SetDeadline(time.Now().Add(waittest.Patience()))
	conn, err := p.listener.AcceptTCP()
	if err != nil {
		p.Fatalf("waiting for a connection: %v", err)
	}
	p.Cleanup(func() { _ = conn.Close() })
	return &tcpConn{p.T, conn}
}

// tcpConn is a connection that a tcpPeer accepted.
type tcpConn struct {
	*testing.T
	*net.TCPConn
}

// receive waits for a probe of size octets.
func (c *tcpConn) receive(size int) textproto.Message {
	c.T.Helper()
	_ = c.SetReadDeadline(time.Now().Add(waittest.Patience()))
	buf := make([]byte, size)
	if _, err := io.ReadFull(c, buf); err != nil {
		c.Fatalf("waiting for a probe: %v", err)
	}
	m, err := textproto.Decode(buf)
	if err != nil {
		c.Fatalf("Decode(%q): %v", buf, err)
	}
	return m
}

// replyTo makes the reply to a probe.
func replyTo(m textproto.Message) []byte {
	return textproto.AppendReply(nil, m, "peer", time.Now().UnixNano())
}

func (c *tcpConn) send(data []byte) {
	c.T.Helper()
	if _, err := c.Write(data); err != nil {
		c.Fatal(err)
	}
}

// answerAll answers whatever comes, until the connection is closed.
func (c *tcpConn) answerAll() {
	_ = c.SetReadDeadline(time.Time{})
	scanner := textproto.NewScanner(1 << 16)
	for {
		n, err := c.Read(scanner.Free())
		if err != nil {
			return
		}
		scanner.Fed(n)
		for {
			m, ok, err := scanner.Next()
			if err != nil {
				return
			}
			if !ok {
				break
			}
			if _, err := c.Write(replyTo(m)); err != nil {
				return
			}
		}
	}
}

// closedUDPPort is an address where nobody listens.
func closedUDPPort(t *testing.T, ip netip.Addr) netip.AddrPort {
	t.Helper()
	p := newUDPPeer(t, netip.AddrPortFrom(ip, 0))
	_ = p.conn.Close()
	return p.addr()
}

func closedTCPPort(t *testing.T, ip netip.Addr) netip.AddrPort {
	t.Helper()
	p := newTCPPeer(t, netip.AddrPortFrom(ip, 0))
	_ = p.listener.Close()
	return p.addr()
}
