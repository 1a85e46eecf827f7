package packetio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// sendPatience is how long a WriteBatch may last when the system takes no more, which is rare and soon
// over unless the device is stuck: the net package has no call that does not wait. It must be longer
// than any thread is preempted: a deadline that is over before the call fails it without a try.
const sendPatience = time.Second

// PortableConn is a UDP socket of the net package. A goroutine reads it.
type PortableConn struct {
	conn    *net.UDPConn
	stamp   func() // Options.Stamp
	local   netip.AddrPort
	batches batcher
	arrived arrivals
	out     []ipv4.Message
	sent    uint32
	marks   marks
	single  bool // no batch calls here (the reader finds out for itself)
	closed  bool
	done    chan struct{} // closed by Close
}

// batcher is what *ipv4.PacketConn and *ipv6.PacketConn share. ipv6.Message is the same type.
type batcher interface {
	ReadBatch(messages []ipv4.Message, flags int) (int, error)
	WriteBatch(messages []ipv4.Message, flags int) (int, error)
}

// ListenUDP opens a UDP socket on local, whose port may be 0. What the system refused and the socket
// can do without is in Missing.
func (p *Portable) ListenUDP(local netip.AddrPort, o Options, report func()) (*PortableConn, Missing, error) {
	conn, err := net.ListenUDP(network("udp", local.Addr()), net.UDPAddrFromAddrPort(local))
	if err != nil {
		return nil, nil, fmt.Errorf("listen on udp %s: %w", local, cause(err))
	}
	c := newConn(conn, o)
	c.single = p.Single
	missing := c.setUp(o)
	p.read(c, o, report)
	return c, missing, nil
}

func newConn(conn *net.UDPConn, o Options) *PortableConn {
	return &PortableConn{
		conn: conn, stamp: o.Stamp, local: unmapped(conn.LocalAddr().(*net.UDPAddr).AddrPort()),
		arrived: newArrivals(), out: newMessages(o.Batch, 0, 0), done: make(chan struct{}),
	}
}

// read starts reading, until Close.
func (p *Portable) read(c *PortableConn, o Options, report func()) {
	r := newReader(c, o)
	p.goroutines.Go(func() { r.run(report) })
}

// setUp asks for what is nice to have.
func (c *PortableConn) setUp(o Options) Missing {
	var missing Missing
	try := func(what string, err error) {
		if err != nil {
			missing = append(missing, fmt.Errorf("%s: %w", what, cause(err)))
		}
	}
	try("receive buffer", c.conn.SetReadBuffer(receiveQueue))
	var tosErr, ttlErr error
	c.marks, tosErr, ttlErr = newMarks(markerOf(c.conn, c.local.Addr().Is4()))
	try("TOS of packets to send", tosErr)
	try("TTL of packets to send", ttlErr)
	switch {
	case !c.single:
		c.askFor(o, try)
	case o.Marks:
		try("TOS and TTL of received packets", errNoControl)
	}
	return missing
}

var errNoControl = errors.New("not without batches")

// askFor asks for what control messages tell of received packets.
func (c *PortableConn) askFor(o Options, try func(what string, err error)) {
	const local, tos, ttl = "local address of received packets", "TOS of received packets", "TTL of received packets"
	if c.local.Addr().Is4() {
		batches := ipv4.NewPacketConn(c.conn)
		c.batches = batches
		try(local, batches.SetControlMessage(ipv4.FlagDst, true))
		if o.Marks {
			try(tos, receiveTOS(c.conn))
			try(ttl, batches.SetControlMessage(ipv4.FlagTTL, true))
		}
		return
	}
	batches := ipv6.NewPacketConn(c.conn)
	c.batches = batches
	try(local, batches.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true))
	if o.Marks {
		try(tos, batches.SetControlMessage(ipv6.FlagTrafficClass, true))
		try(ttl, batches.SetControlMessage(ipv6.FlagHopLimit, true))
	}
}

// LocalAddr implements Conn.
func (c *PortableConn) LocalAddr() netip.AddrPort { return c.local }

// Overflow implements Conn: it is not known.
func (c *PortableConn) Overflow() uint64 { return 0 }

// ReadNotices implements Conn: there are none.
func (c *PortableConn) ReadNotices([]Notice) (int, error) { return 0, nil }

// ReadBatch implements Conn.
func (c *PortableConn) ReadBatch(packets []Packet) (int, error) { return c.arrived.take(packets) }

// Ready implements PortableSocket.
func (c *PortableConn) Ready() (read, write bool) { return !c.closed && c.arrived.ready(), false }

// WriteBatch implements Conn.
func (c *PortableConn) WriteBatch(packets []Packet) (int, error) {
	packets = packets[:min(len(packets), len(c.out))]
	if err := c.conn.SetWriteDeadline(time.Now().Add(sendPatience)); err != nil {
		return 0, cause(err)
	}
	for i := range packets {
		setMessage(&c.out[i], &packets[i])
	}
	if c.stamp != nil {
		c.stamp()
	}
	for sent := 0; sent < len(packets); {
		took, err := c.write(packets, sent)
		for i := sent; i < sent+took; i++ {
			packets[i].ID = c.sent
			c.sent++
		}
		sent += took
		if err != nil {
			return sent, cause(err)
		}
	}
	return len(packets), nil
}

// write sends at least one packet, starting with packets[first].
func (c *PortableConn) write(packets []Packet, first int) (int, error) {
	if err := c.marks.set(Marking{TOS: packets[first].TOS, TTL: packets[first].TTL}); err != nil {
		return 0, err
	}
	if !c.single {
		n, err := c.batches.WriteBatch(c.out[first:first+alike(packets[first:])], 0)
		if !notImplemented(err) {
			return max(n, 0), err
		}
		c.single = true
	}
	if _, err := c.conn.WriteToUDPAddrPort(packets[first].Data, packets[first].Remote); err != nil {
		return 0, err
	}
	return 1, nil
}

// Close implements Conn.
func (c *PortableConn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	close(c.done)
	return c.conn.Close()
}
