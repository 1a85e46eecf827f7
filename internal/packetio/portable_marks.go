package packetio

import (
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// marker is a socket's options for what it sends, as *ipv4.PacketConn and *ipv4.Conn have them.
// golang.org/x/net has no control messages for them in IPv4.
type marker interface {
	TOS() (int, error)
	SetTOS(tos int) error
	TTL() (int, error)
	SetTTL(ttl int) error
}

// marker6 is what *ipv6.PacketConn and *ipv6.Conn share: the same with other names.
type marker6 interface {
	TrafficClass() (int, error)
	SetTrafficClass(class int) error
	HopLimit() (int, error)
	SetHopLimit(limit int) error
}

type renamed struct{ marker6 }

func (r renamed) TOS() (int, error)    { return r.TrafficClass() }
func (r renamed) SetTOS(tos int) error { return r.SetTrafficClass(tos) }
func (r renamed) TTL() (int, error)    { return r.HopLimit() }
func (r renamed) SetTTL(ttl int) error { return r.SetHopLimit(ttl) }

func markerOf(conn *net.UDPConn, ip4 bool) marker {
	if ip4 {
		return ipv4.NewPacketConn(conn)
	}
	return renamed{ipv6.NewPacketConn(conn)}
}

// marks sets what a socket sends with, as far as the system lets.
type marks struct {
	socket           marker
	now              Marking // what the socket has, as asked for
	system           Marking // what 0 stands for
	haveTOS, haveTTL bool    // can be set
}

// newMarks looks at a socket. What cannot be set is left alone from now on.
func newMarks(socket marker) (m marks, tosErr, ttlErr error) {
	m = marks{socket: socket}
	tos, tosErr := socket.TOS()
	if tosErr == nil {
		tosErr = socket.SetTOS(tos)
	}
	ttl, ttlErr := socket.TTL()
	if ttlErr == nil {
		ttlErr = socket.SetTTL(ttl)
	}
	m.system = Marking{TOS: uint8(tos), TTL: uint8(ttl)}
	m.haveTOS, m.haveTTL = tosErr == nil, ttlErr == nil
	return m, tosErr, ttlErr
}

// set makes the socket send with want from now on.
func (m *marks) set(want Marking) error {
	if m.haveTOS && want.TOS != m.now.TOS {
		if err := m.socket.SetTOS(int(orSystem(want.TOS, m.system.TOS))); err != nil {
			return err
		}
		m.now.TOS = want.TOS
	}
	if m.haveTTL && want.TTL != m.now.TTL {
		if err := m.socket.SetTTL(int(orSystem(want.TTL, m.system.TTL))); err != nil {
			return err
		}
		m.now.TTL = want.TTL
	}
	return nil
}

func orSystem(want, system uint8) uint8 {
	if want == 0 {
		return system
	}
	return want
}

// alike is how many packets from the first on are sent with the same marks.
func alike(packets []Packet) int {
	n := 1
	for n < len(packets) && packets[n].TOS == packets[0].TOS && packets[n].TTL == packets[0].TTL {
		n++
	}
	return n
}
