package packetio

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/timestamp"
)

const (
	noticeBatch = 16
	// quoted is how much of a packet's payload an ICMP error brings back at most (RFC 1812: 576 octets
	// in all); a transmit timestamp brings none.
	quoted = 576
)

// enableErrors has the kernel queue ICMP errors (IP_RECVERR in ip(7), IPV6_RECVERR in ipv6(7)). Without
// it a socket that is not connected hears nothing of them.
func enableErrors(fd int, local netip.Addr) error {
	if local.Is4() {
		return setInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1, "IP_RECVERR")
	}
	return setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1, "IPV6_RECVERR")
}

// number has the kernel stamp packets that ask for it, and number them from 0.
func (c *LinuxConn) number() error {
	err := timestamp.EnableTransmit(c.fd)
	c.transmit = err == nil
	return err
}

// numbers reports whether the packet is one of those that are numbered.
func (c *LinuxConn) numbers(p *Packet) bool { return !c.transmit || p.Notify }

// renumber makes our numbers and the kernel's agree again after a failed send. Whether the kernel
// counted that packet depends on where it failed: too long or no route, it did not; dropped by a
// firewall rule on the way out, it did (tried on Linux 6.18; before 6.3 it counted more of them).
func (c *LinuxConn) renumber() {
	c.ids.restart(clock.WallNow())
	_ = c.number()
}

// ReadNotices implements Conn. It does not allocate.
func (c *LinuxConn) ReadNotices(notices []Notice) (int, error) {
	for {
		n, errno := c.errors.Recv(c.fd, min(len(notices), noticeBatch), unix.MSG_ERRQUEUE)
		if errno != 0 {
			return 0, transient(errno)
		}
		if kept := c.notices(notices, n); kept > 0 || n == 0 {
			return kept, nil
		}
	}
}

// notices keeps those of the n entries read that are news to the caller.
func (c *LinuxConn) notices(notices []Notice, n int) int {
	kept := 0
	for i := range n {
		e := timestamp.ParseQueueEntry(c.errors.Control(i))
		switch {
		case e.Transmitted != 0 && !c.transmit: // renumbering failed: it may be of any packet
		case e.Transmitted != 0:
			if id, ok := c.ids.find(e.Transmitted, e.ID); ok {
				notices[kept] = Notice{Transmitted: e.Transmitted, ID: id}
				kept++
			}
		case e.Errno != 0 && !e.Local: // a local one was the result of the send call, too
			notices[kept] = Notice{Errno: e.Errno, Remote: c.errors.Name(i), Data: c.errors.Payload(i)}
			kept++
		}
	}
	return kept
}
