package measurement

import (
	"net/netip"
	"time"

	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// Transport is how a session's probes travel.
type Transport uint8

// Transports.
const (
	UDP        Transport = iota + 1 // datagrams
	TCP                             // messages over one established connection
	TCPConnect                      // one fresh connection per probe
)

// String gives the transport's name as it appears in logs.
func (t Transport) String() string {
	switch t {
	case UDP:
		return "udp"
	case TCP:
		return "tcp"
	case TCPConnect:
		return "tcp-connect"
	}
	return "invalid"
}

// Metrics are the names under which a transport's samples are published; None (the zero Metric)
// where the transport has no such sample.
type Metrics struct{ OWD, RTT, Loss Metric }

// Metrics gives the metrics of transport t. For TCPConnect the RTT is that of the handshake.
func (t Transport) Metrics() Metrics {
	switch t {
	case UDP:
		return Metrics{OWD: UDPOWD, RTT: UDPRTT, Loss: UDPLoss}
	case TCP:
		return Metrics{OWD: TCPOWD, RTT: TCPRTT, Loss: TCPLoss}
	case TCPConnect:
		return Metrics{RTT: TCPLatency, Loss: TCPLoss}
	}
	return Metrics{}
}

// Session describes one session to be probed: the descriptor that crosses from the exporter side to
// the engine. It is plain data; the receiver keeps its own copy.
type Session struct {
	ID        SessionID
	Transport Transport
	Source    string         // our name, written into each probe and published as source:
	Target    string         // label or host, published as target:
	Tags      []string       // the target's own tags, carried in each probe
	Remote    netip.AddrPort // where to
	Size      int            // octets of a message, padding included; 0 = no padding
	Interval  time.Duration  // between slots
	Phase     time.Duration  // of slot 0 on the grid of Interval, in [0, Interval)
	Timeout   time.Duration  // without an answer for this long, a probe is lost
	MaxLost   int            // consecutive losses after which the target counts as silent
	RTT       bool           // publish RTT and two-way loss; false = one-way, the receiver measures
	DSCP      uint8          // of probes, 0 to 63 (RFC 2474)
	TTL       uint8          // or hop limit, of probes; 0 = the system's, or 255 for STAMP

	// UDP only.
	Protocol  Protocol
	Format    stamp.Format  // of T1, for STAMP
	UTCOffset time.Duration // how much PTP timestamps, ours and the far end's, are ahead of UTC
	AuthKey   []byte        // for STAMP's authenticated mode; empty = unauthenticated
	OWD       SenderOWD     // whether the prober publishes one-way delays itself
}

// Protocol is the protocol of a UDP session.
type Protocol uint8

// Protocols. Auto begins as Text and goes over to STAMP when the far end says that it knows that.
const (
	Auto  Protocol = iota
	Text           // that of the reference implementation
	STAMP          // RFC 8762
)

// SenderOWD says when the prober of a STAMP session publishes the one-way delays that it sees.
type SenderOWD uint8

// When a prober publishes one-way delays.
const (
	OWDAuto SenderOWD = iota // unless the far end publishes those of the probes itself
	OWDAlways
	OWDNever
)
