package main_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/netnstest"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
)

// capture is a packet socket on a host: it has what came to its interfaces before any firewall rule, and
// what left after all of them.
type capture struct {
	t  *testing.T
	fd int
}

// datagram is one over UDP as it was on the wire.
type datagram struct {
	from, to netip.AddrPort
	tos, ttl uint8
	data     []byte
}

func (d *datagram) isText() bool {
	_, err := textproto.Decode(d.data)
	return err == nil
}

// captureAt begins to keep what a host receives and sends, until the end of the test.
func captureAt(t *testing.T, h *netnstest.Host) *capture {
	t.Helper()
	c := &capture{t: t}
	if err := h.Do(c.open); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(c.fd) })
	return c
}

func (c *capture) open() error {
	const room = 64 << 20
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL)) // packet(7)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(all))
	if err != nil {
		return err
	}
	c.fd = fd
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room)
}

// datagrams are those over UDP so far that nobody took yet, in their order.
func (c *capture) datagrams() []datagram {
	c.t.Helper()
	var found []datagram
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(c.fd, buf, 0)
		if err == unix.EAGAIN {
			break
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if d, ok := parseDatagram(append([]byte(nil), buf[:n]...)); ok {
			found = append(found, d)
		}
	}
	if stats, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err != nil || stats.Drops > 0 {
		c.t.Fatalf("the capture is not complete: %+v, %v", stats, err)
	}
	return found
}

// toPort are those that went to the port, of the datagrams.
func toPort(port uint16, all []datagram) []datagram {
	var found []datagram
	for _, d := range all {
		if d.to.Port() == port {
			found = append(found, d)
		}
	}
	return found
}

// fromPort are those that came from the port, of the datagrams.
func fromPort(port uint16, all []datagram) []datagram {
	var found []datagram
	for _, d := range all {
		if d.from.Port() == port {
			found = append(found, d)
		}
	}
	return found
}

// parseDatagram reads an IP packet without extension headers: RFC 791 section 3.1, RFC 8200 section 3,
// RFC 768.
func parseDatagram(p []byte) (d datagram, ok bool) {
	if len(p) < 20 {
		return d, false
	}
	var src, dst netip.Addr
	var protocol byte
	switch p[0] >> 4 {
	case 4:
		d.tos, d.ttl, protocol = p[1], p[8], p[9]
		src, dst = netip.AddrFrom4([4]byte(p[12:])), netip.AddrFrom4([4]byte(p[16:]))
		p = p[int(p[0]&15)*4:]
	case 6:
		if len(p) < 40 {
			return d, false
		}
		d.tos, d.ttl, protocol = p[0]<<4|p[1]>>4, p[7], p[6]
		src, dst = netip.AddrFrom16([16]byte(p[8:])), netip.AddrFrom16([16]byte(p[24:]))
		p = p[40:]
	}
	if protocol != unix.IPPROTO_UDP || len(p) < 8 {
		return d, false
	}
	d.from = netip.AddrPortFrom(src, binary.BigEndian.Uint16(p))
	d.to = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(p[2:]))
	d.data = p[8:]
	return d, true
}
