package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// fakePeer answers probes over one transport the way the test wants it.
type fakePeer struct {
	port   int
	size   int // octets of a probe, unless its header is longer
	answer func(probe string) string
	close  func() error
	done   sync.WaitGroup

	mu     sync.Mutex
	probes []string // those that came
}

// startPeer starts a peer on the loopback address, which ends with the test at the latest.
func startPeer(t *testing.T, transport string, size int, answer func(probe string) string) *fakePeer {
	t.Helper()
	if transport == "udp" {
		conn, _ := listenUDP(t)
		return answerAt(t, conn, answer)
	}
	listener, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	p := &fakePeer{port: listener.Addr().(*net.TCPAddr).Port, size: size, answer: answer, close: listener.Close}
	p.done.Go(func() { p.serveTCP(listener) })
	t.Cleanup(func() { _ = p.received() })
	return p
}

// answerAt is startPeer with a UDP socket of the test's.
func answerAt(t *testing.T, conn *net.UDPConn, answer func(probe string) string) *fakePeer {
	p := &fakePeer{port: conn.LocalAddr().(*net.UDPAddr).Port, answer: answer, close: conn.Close}
	p.done.Go(func() { p.serveUDP(conn) })
	t.Cleanup(func() { _ = p.received() })
	return p
}

// received ends the peer and returns all probes that came. The daemon must have ended.
func (p *fakePeer) received() []string {
	_ = p.close()
	p.done.Wait()
	return p.probes
}

// first returns the first n probes; they must have come.
func (p *fakePeer) first(n int) []string { return p.received()[:n] }

func (p *fakePeer) reply(probe string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probes = append(p.probes, probe)
	return []byte(p.answer(probe))
}

func (p *fakePeer) serveUDP(conn *net.UDPConn) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if reply := p.reply(string(buf[:n])); len(reply) > 0 {
			_, _ = conn.WriteToUDPAddrPort(reply, from)
		}
	}
}

func (p *fakePeer) serveTCP(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() {
			defer func() { _ = conn.Close() }()
			p.serveStream(conn)
		})
	}
}

func (p *fakePeer) serveStream(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		probe, err := p.readProbe(in)
		if err != nil {
			return
		}
		if _, err := conn.Write(p.reply(probe)); err != nil {
			return
		}
	}
}

// readProbe reads four fields, and padding up to the size.
func (p *fakePeer) readProbe(in *bufio.Reader) (string, error) {
	var probe strings.Builder
	for range 4 {
		field, err := in.ReadString('|')
		if err != nil {
			return "", err
		}
		probe.WriteString(field)
	}
	padding := int64(max(0, p.size-probe.Len()))
	_, err := io.CopyN(&probe, in, padding)
	return probe.String(), err
}

// target configures a daemon that probes the peer, and nobody else. No probe is given up as long as
// the test runs.
func (p *fakePeer) target(t *testing.T, transport string) string {
	t.Helper()
	config, _, _ := onLoopback(t)
	return config + fmt.Sprintf("interval = 10\ntimeout = 3600\ntcp_latency = false\n[[targets]]\nhost = %q\nlabel = \"peer\"\n"+
		"type = %q\n%s_port = %d\n", loopback, transport, transport, p.port)
}
