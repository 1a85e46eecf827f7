package engine

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

// peer is a UDP target whose every reply the test decides on.
type peer struct {
	t    *testing.T
	conn *net.UDPConn
	buf  [1 << 16]byte
}

// probe is a probe as a peer received it.
type probe struct {
	textproto.Message
	size int // octets
	from netip.AddrPort
}

func newPeer(t *testing.T, local netip.AddrPort) *peer {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &peer{t: t, conn: conn}
}

func (p *peer) addr() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// receive waits for the next probe.
func (p *peer) receive() probe {
	p.t.Helper()
	n, from := p.read()
	m, err := textproto.Decode(slices.Clone(p.buf[:n]))
	if err != nil {
		p.t.Fatalf("Decode(%q): %v", p.buf[:n], err)
	}
	return probe{m, n, from}
}

func (p *peer) read() (n int, from netip.AddrPort) {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(waittest.Patience()))
	n, from, err := p.conn.ReadFromUDPAddrPort(p.buf[:])
	if err != nil {
		p.t.Fatalf("waiting for a datagram: %v", err)
	}
	return n, from
}

// answer replies to a probe.
func (p *peer) answer(m probe) {
	p.t.Helper()
	p.send(textproto.AppendReply(nil, m.Message, "peer", time.Now().UnixNano()), m.from)
}

func (p *peer) send(data []byte, to netip.AddrPort) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(data, to); err != nil {
		p.t.Fatal(err)
	}
}

// waiting takes the probes that have arrived and are not received yet, and returns when each was sent.
func (p *peer) waiting() (sent []int64) {
	p.t.Helper()
	const end = "all before this has arrived"
	p.send([]byte(end), p.addr())
	for {
		n, _ := p.read()
		if string(p.buf[:n]) == end {
			return sent
		}
		m, err := textproto.Decode(p.buf[:n])
		if err != nil {
			p.t.Fatalf("Decode(%q): %v", p.buf[:n], err)
		}
		sent = append(sent, m.Timestamp)
	}
}

// ask sends one probe to a host and waits for the reply.
func (p *peer) ask(to netip.AddrPort) {
	p.t.Helper()
	p.send(textproto.NewTemplate("peer", textproto.AppendTags(nil, nil), 0).Message(0, time.Now().UnixNano()), to)
	p.receive()
}
