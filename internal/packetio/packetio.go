package packetio

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// ErrWouldBlock says that a stream has nothing to read, no room to write or is not connected yet. The
// poller reports the socket when that has changed.
var ErrWouldBlock = errors.New("would block")

// MaxDatagram is the longest UDP payload to ip's family, in octets: 65535 less the headers that count
// into it (RFC 768, RFC 791; IPv6 counts without its own, RFC 8200 section 3).
func MaxDatagram(ip netip.Addr) int {
	if ip.Is4() {
		return 65535 - 20 - 8
	}
	return 65535 - 8
}

// Packet is one datagram.
type Packet struct {
	Data   []byte         // received: valid until the socket's next ReadBatch; to be sent: the caller's
	Remote netip.AddrPort // where it came from, or where to
	Local  netip.Addr     // the address that it was sent to; in a reply, what becomes its source; may be unset
	At     clock.Wall     // when it was received
	Stamp  measurement.TimestampSource
	Cut    bool   // received: it was longer than the socket's limit, and the rest is lost
	ID     uint32 // sent: the number that its Notice will carry, if there will be one
	TOS    uint8  // DSCP << 2 | ECN, of the IPv4 TOS or the IPv6 Traffic Class octet; to be sent: 0 = the system's
	TTL    uint8  // or hop limit. Received: 0 = neither it nor TOS is known; to be sent: 0 = the system's
	Notify bool   // to be sent: have a Notice tell when it leaves; only for sockets with Options.Transmit
}

// Notice is news about a packet sent earlier: when it really left, or that it could not arrive.
type Notice struct {
	Transmitted clock.Wall     // the kernel's transmit timestamp of packet ID; 0 = this is an error
	ID          uint32         // for Transmitted
	Errno       syscall.Errno  // what an ICMP message said, when this is an error
	Remote      netip.AddrPort // for errors: where the packet was going
	Data        []byte         // for errors: as much of its payload as came back; valid until the next ReadNotices
}

// Conn is a UDP socket of one address family.
type Conn interface {
	// ReadBatch fills packets with what has arrived and returns how many; 0 when there is nothing.
	ReadBatch(packets []Packet) (int, error)
	// WriteBatch sends packets in order and returns how many the system took, setting their ID. The
	// error is about packets[n]; those behind it were not tried.
	WriteBatch(packets []Packet) (n int, err error)
	// ReadNotices fills notices with news about packets sent earlier; 0 when there is none, always so
	// where the system does not tell or was not asked to (Options).
	ReadNotices(notices []Notice) (int, error)
	// Overflow is how many packets were dropped since the start before they could be read: by the
	// kernel for a full receive queue, as far as packets received later have told, and what waited in
	// a borrowed socket.
	Overflow() uint64
	// LocalAddr is the address and port that the socket is bound to.
	LocalAddr() netip.AddrPort
	// Close is idempotent.
	Close() error
}

// Options of a UDP socket.
type Options struct {
	MaxSize int // longest datagram to receive, in octets
	Batch   int // most packets of one ReadBatch or WriteBatch
	// Stamp, if it is not nil, is called by each WriteBatch when all is ready but for the system call: whoever
	// writes the time into the packets' Data does so there.
	Stamp    func()
	Transmit bool // have a Notice tell when a packet leaves that has Notify set
	// Marks asks for TOS and TTL of received packets, which costs time for each.
	Marks bool
	// Errors asks for ICMP errors about packets sent. A socket that does not is not woken by them, and
	// they fail none of its calls.
	Errors bool
}

// Marking is the TOS and TTL of what a connection sends, as in Packet. 0 = the system's.
type Marking struct{ TOS, TTL uint8 }

// receiveQueue is the room asked for in the kernel, in octets: over a second of small probes from
// thousands of sessions.
const receiveQueue = 4 << 20

// Missing names what the system refused to give a socket, which works without; empty = nothing.
type Missing []error

// Stream is a TCP connection.
type Stream interface {
	// Handshake reports how connecting went: ErrWouldBlock as long as it goes on, any other error when
	// it failed.
	Handshake() (Handshake, error)
	// Read receives into p what has arrived: at least one octet, ErrWouldBlock, or io.EOF. The time is
	// that of the last segment read.
	Read(p []byte) (n int, at clock.Wall, stamp measurement.TimestampSource, err error)
	// Write sends as much of p as there is room for: at least one octet, or ErrWouldBlock.
	Write(p []byte) (int, error)
	// WantWrite asks for a report when there is room to write (or ends that).
	WantWrite(want bool)
	// Remote is the other end.
	Remote() netip.AddrPort
	// Close ends the connection, in order. The Stream must not be used any more.
	Close()
	// Reset ends the connection at once: no TIME_WAIT stays behind here, the peer sees a reset. The
	// Stream must not be used any more.
	Reset()
}

// Handshake is what is known of an established connection's three-way handshake.
type Handshake struct {
	RTT         time.Duration // SYN to SYN-ACK as the kernel measured it; 0 = unknown
	Retransmits int           // SYNs sent again; the RTT then hides that
}

// Listener accepts TCP connections.
type Listener interface {
	LocalAddr() netip.AddrPort
	// Close is idempotent.
	Close() error
}

// wall makes a Packet's timestamp from the kernel's, or from the user-space clock where that is missing.
func wall(kernel clock.Wall) (clock.Wall, measurement.TimestampSource) {
	if kernel != 0 {
		return kernel, measurement.SourceKernel
	}
	return clock.WallNow(), measurement.SourceUser
}
