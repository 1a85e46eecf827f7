package packetio

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// usual is how many packets in a row must have left with a TTL to make it the socket's own.
const usual = 64

// ownTTL is the TTL or hop limit that a socket gives to packets by itself. As long as all packets want the same, it is
// that: a control message with each of them costs the kernel a twentieth of what it takes to send one.
type ownTTL struct {
	set  uint8 // 0 = the system's
	last uint8 // with which the last packet left
	run  int   // as so many in a row did
}

// settleTTL has the socket's own TTL fit the packets that are about to be sent. Packets with the system's can be sent
// in no other way. What the kernel refuses is told by messages, as before.
func (c *LinuxConn) settleTTL(packets []Packet) {
	t := &c.ttl
	for i := range packets {
		if ttl := packets[i].TTL; ttl != t.last {
			t.last, t.run = ttl, 0
		}
		t.run++
		if t.last == 0 && t.set != 0 && setTTL(c.fd, c.local.Addr(), systemTTL) == nil {
			t.set = 0
		}
	}
	if t.last != t.set && t.run >= max(usual, len(packets)) {
		t.run = 0 // if it is refused, it is not tried with each call
		if setTTL(c.fd, c.local.Addr(), int(t.last)) == nil {
			t.set = t.last
		}
	}
}

// systemTTL leaves the TTL to the system (IP_TTL in ip(7), IPV6_UNICAST_HOPS in ipv6(7)).
const systemTTL = -1

func setTTL(fd int, local netip.Addr, ttl int) error {
	if local.Is4() {
		return setInt(fd, unix.IPPROTO_IP, unix.IP_TTL, ttl, "IP_TTL")
	}
	return setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl, "IPV6_UNICAST_HOPS")
}
