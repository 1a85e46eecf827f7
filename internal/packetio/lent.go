package packetio

import "net/netip"

// Transports of a Lent socket.
const (
	udp = "udp"
	tcp = "tcp"
)

// Lent is a socket that one process opens and another one, without privilege, uses: one after the
// other, if it dies. It is plain data, but for the descriptor, whose number is another one in each.
type Lent struct {
	Transport string         // "udp" or "tcp"
	Local     netip.AddrPort // as asked for
	FD        int
	Dropped   uint32 // UDP: packets that the kernel had dropped for a full queue, at the last Return
}
