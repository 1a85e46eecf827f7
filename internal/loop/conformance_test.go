package loop

import (
	"net"
	"net/netip"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// Every poller and the sockets of its Network are held to the same tests. What only some can do is
// in the fields of implementation; what only Linux can do is in conformance_linux_test.go.
type implementation struct {
	name  string
	open  func() (Poller, error)
	stamp measurement.TimestampSource
	local bool // received packets tell the address that they were sent to
	marks bool // received packets tell TOS and TTL
}

func implementations() []implementation {
	portable := implementation{name: "portable", stamp: measurement.SourceUser, local: portableLocal, marks: portableMarks}
	portable.open = func() (Poller, error) { return NewPortable() }
	single := implementation{name: "portable without batches", stamp: measurement.SourceUser}
	single.open = func() (Poller, error) {
		p, err := NewPortable()
		p.sockets.Single = true
		return p, err
	}
	return append(systemImplementations(), portable, single)
}

// rig is a poller under test with its sockets, which end with the test.
type rig struct {
	*testing.T
	implementation
	Poller
	ready   [16]Ready
	close   []func()
	streams map[packetio.Stream]bool // those not closed yet
}

// each runs a test on every implementation.
func each(t *testing.T, test func(r *rig)) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) { test(newRig(t, i)) })
	}
}

// eachFamily runs a test on every implementation with each family's loopback address.
func eachFamily(t *testing.T, test func(r *rig, loopback netip.Addr)) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			loopback := needs(t, ip)
			each(t, func(r *rig) { test(r, loopback) })
		})
	}
}

// needs skips the test on a host without that address.
func needs(t *testing.T, ip string) netip.Addr {
	t.Helper()
	addr := netip.MustParseAddr(ip)
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		t.Skipf("not on this platform: no address %s: %v", ip, err)
	}
	_ = conn.Close()
	return addr
}

func newRig(t *testing.T, i implementation) *rig {
	t.Helper()
	p, err := i.open()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, implementation: i, Poller: p, streams: make(map[packetio.Stream]bool)}
	t.Cleanup(r.end)
	return r
}

// end closes the sockets and then the poller, as Loop does. It may be called before the test ends.
func (r *rig) end() {
	for _, f := range r.close {
		f()
	}
	r.close = nil
	for s := range r.streams {
		r.drop(s)
	}
	if err := r.Poller.Close(); err != nil {
		r.Errorf("closing the poller: %v", err)
	}
}

func (r *rig) drop(s packetio.Stream) {
	s.Reset()
	delete(r.streams, s)
}

func (r *rig) listenUDP(ip netip.Addr, o packetio.Options, t Token) packetio.Conn {
	r.Helper()
	conn, missing, err := r.ListenUDP(netip.AddrPortFrom(ip, 0), o, t)
	if err != nil {
		r.Fatal(err)
	}
	for _, m := range missing {
		r.Logf("missing: %v", m)
	}
	r.close = append(r.close, func() { _ = conn.Close() })
	return conn
}

func (r *rig) listenTCP(ip netip.Addr, t Token) packetio.Listener {
	r.Helper()
	l, err := r.ListenTCP(netip.AddrPortFrom(ip, 0), t)
	if err != nil {
		r.Fatal(err)
	}
	r.close = append(r.close, func() { _ = l.Close() })
	return l
}

// await waits until the socket t is ready as wanted and returns how it is.
func (r *rig) await(t Token, want func(Ready) bool) Ready {
	r.Helper()
	deadline := clock.MonoNow().Add(waittest.Patience())
	for {
		n, err := r.Wait(deadline, r.ready[:])
		if err != nil {
			r.Fatal(err)
		}
		for _, ready := range r.ready[:n] {
			if ready.Token == t && want(ready) {
				return ready
			}
		}
		if clock.MonoNow() >= deadline {
			r.Fatalf("token %d is not ready after %v", t, waittest.Patience())
		}
	}
}

func (r *rig) awaitRead(t Token) Ready {
	r.Helper()
	return r.await(t, func(ready Ready) bool { return ready.Read })
}

func (r *rig) awaitWrite(t Token) Ready {
	r.Helper()
	return r.await(t, func(ready Ready) bool { return ready.Write })
}

// quiet fails the test when a socket is ready now.
func (r *rig) quiet() {
	r.Helper()
	if n, err := r.Wait(0, r.ready[:]); n != 0 || err != nil {
		r.Errorf("Wait = %+v, %v, want nothing ready", r.ready[:n], err)
	}
}

// receive reads n packets from the socket t, as they come. Their data is copied.
func (r *rig) receive(conn packetio.Conn, t Token, n int) []packetio.Packet {
	r.Helper()
	var got []packetio.Packet
	packets := make([]packetio.Packet, batch)
	for len(got) < n {
		r.awaitRead(t)
		n, err := conn.ReadBatch(packets)
		if err != nil {
			r.Fatalf("ReadBatch: %v", err)
		}
		for _, p := range packets[:n] {
			p.Data = append([]byte{}, p.Data...)
			got = append(got, p)
		}
	}
	return got
}

// send writes all packets.
func (r *rig) send(conn packetio.Conn, packets []packetio.Packet) {
	r.Helper()
	for sent := 0; sent < len(packets); {
		n, err := conn.WriteBatch(packets[sent:])
		if err != nil {
			r.Fatalf("WriteBatch: %v", err)
		}
		sent += n
	}
}
