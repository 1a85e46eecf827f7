package reflector

import (
	"net/netip"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/match"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

const (
	// housekeeping is how often gaps are settled and idle sessions looked for.
	housekeeping = 100 * time.Millisecond
	// idleConnection is how long a connection may take to send its first probe when there is not room
	// for many more. A prober connects when it starts, and its first slot may be an interval away.
	idleConnection = 10 * time.Second
)

// Config of a Reflector.
type Config struct {
	Name        string           // ours, put into replies
	UDP         []netip.AddrPort // addresses to listen on
	TCP         []netip.AddrPort
	Optional    func(local netip.AddrPort, err error) bool // whether to go on without that address
	MaxSize     int                                        // longest probe, in octets
	MaxSessions int
	Timeout     time.Duration // a probe that is missing for this long is lost
	Stamp       Stamp
	Ring        *ring.SPSC // the Reflector is its producer
	Counters    *selfstats.Block
	// Lent: the listening sockets were there before, so connections may wait that nobody served. They
	// are refused: an answer to what they sent would be far too late.
	Lent bool
}

// Stamp is what a Reflector does about STAMP (RFC 8762), and about who may have answers at all.
type Stamp struct {
	Stateless   bool           // replies carry the probe's number instead of one of their own
	Format      stamp.Format   // of T2 and T3
	UTCOffset   time.Duration  // how much PTP timestamps are ahead of UTC
	Keys        [][]byte       // any of which authenticates a probe
	RequireAuth bool           // answer nothing else
	Allow       []netip.Prefix // sources that are answered; empty = all
	RateLimit   int            // probes per second and source address; 0 = no limit
}

// Reflector is a loop.Handler.
type Reflector struct {
	config    Config
	network   loop.Network
	counters  *selfstats.Block
	step      *clock.StepDetector
	sockets   []*socket // UDP
	ports     []uint16  // of the sockets
	listeners []packetio.Listener
	peers     []*peer              // TCP connections, by index; nil where one ended
	freePeers []*peer              // ended ones, to be used again
	scanners  []*textproto.Scanner // of ended ones
	serial    uint32               // of the connection accepted last
	connected int
	staged    replies // to the connection that is being read
	unread    int     // octets of memory that hold replies of all connections
	starved   bool    // of descriptors, since the last cleaning
	spare     spare
	sessions  table
	codecs    codecs
	estimate  estimate
	limiter   *limiter // nil: none
	answers   answers
	packets   []packetio.Packet
	notices   [noticeBatch]packetio.Notice
	losses    []match.Lost            // of arrived
	arrived   []arrival               // of the packets that are answered, until they are published
	received  uint64                  // probes that are not counted yet
	identity  []byte                  // that is being announced
	ended     []measurement.SessionID // that the exporter has not been told of
	cleaning  clock.Mono
}

// New makes a Reflector that listens already; probes are answered as soon as its loop runs. missing is
// what the system refused and answering goes on without.
func New(network loop.Network, c Config) (r *Reflector, missing packetio.Missing, err error) {
	r = &Reflector{
		config: c, network: network, counters: c.Counters, step: clock.NewStepDetector(),
		sessions: newTable(c.MaxSessions), packets: make([]packetio.Packet, readBatch),
		arrived: make([]arrival, 0, readBatch), identity: make([]byte, 0, longestSpelling),
		estimate: newEstimate(&c.Stamp), limiter: newLimiter(c.Stamp.RateLimit),
		losses: make([]match.Lost, 0, 2*match.MostLosses),
	}
	if r.codecs, err = newCodecs(&c.Stamp); err != nil {
		return nil, nil, err
	}
	r.spare.keep()
	for _, local := range c.UDP {
		refused, err := r.listenUDP(local)
		if err != nil && !c.Optional(local, err) {
			r.Close()
			return nil, nil, err
		}
		missing = append(missing, refused...)
	}
	for _, local := range c.TCP {
		l, err := network.ListenTCP(local, token(listenSocket, len(r.listeners), 0))
		if err == nil {
			r.listeners = append(r.listeners, l)
			r.refuseStale(l)
		} else if !c.Optional(local, err) {
			r.Close()
			return nil, nil, err
		}
	}
	return r, missing, nil
}

// refuseStale refuses the connections that wait in a listener that was lent.
func (r *Reflector) refuseStale(l packetio.Listener) {
	for r.config.Lent && r.refuseWaiting(l) {
	}
}

// Sockets are known to the poller by what they are, the index in their list, and for connections a
// serial number, so that an event of a closed one is not taken for its successor's.
const (
	udpSocket = iota + 1
	listenSocket
	peerSocket
)

func token(kind, index int, serial uint32) loop.Token {
	return loop.Token(kind)<<60 | loop.Token(index)<<32 | loop.Token(serial)
}

// Ready implements loop.Handler.
func (r *Reflector) Ready(ready loop.Ready, limit int) {
	index, serial := int(ready.Token>>32)&(1<<28-1), uint32(ready.Token)
	switch ready.Token >> 60 {
	case udpSocket:
		if ready.Notice {
			r.readNotices(r.sockets[index])
		}
		r.readyUDP(r.sockets[index], limit)
	case listenSocket:
		r.accept(r.listeners[index])
	case peerSocket:
		if p := r.peers[index]; p != nil && p.serial == serial {
			r.readyPeer(p, ready)
		}
	}
}

// Due implements loop.Handler: a reflector has nothing to send by itself, only to clean up. With nobody to answer it has
// nothing to do at all.
func (r *Reflector) Due(now clock.Mono) clock.Mono {
	if now >= r.cleaning {
		r.cleaning = now.Add(housekeeping)
		r.clean(now)
	}
	if r.sessions.open() == 0 && r.connected == 0 && len(r.ended) == 0 && r.spare.file != nil {
		return clock.Never
	}
	return r.cleaning
}

// clean settles gaps and forgets what is idle.
func (r *Reflector) clean(now clock.Mono) {
	r.tellEnded()
	r.estimate.refresh(now)
	crowded := r.crowded()
	r.sessions.visit(func(x *session) {
		switch {
		case now.Sub(x.last) > x.patience(crowded), x.left && now.Sub(x.last) > r.config.Timeout+time.Minute:
			r.end(x)
		case x.flow != nil:
			r.settleFlow(x, now)
		case x.window.Pending():
			noticed := clock.WallNow()
			r.missed(x, match.Lost{Sent: noticed, Last: noticed, Count: x.window.Settle(now, r.config.Timeout)})
		}
	})
	for _, p := range r.peers {
		if p != nil && p.idle(now, crowded) {
			r.hangUp(p)
		}
	}
	r.starved = false
	r.spare.keep()
}

// crowded reports whether there is not room for many more sessions or connections: three quarters of
// it are used, or the process has no descriptors left.
func (r *Reflector) crowded() bool {
	return r.starved || 4*max(r.sessions.open(), r.connected) >= 3*r.config.MaxSessions
}

// Command implements loop.Handler; a reflector finds its sessions by itself.
func (r *Reflector) Command(loop.Command) {}

// Drained implements loop.Handler.
func (r *Reflector) Drained() bool { return true }

// Close implements loop.Handler.
func (r *Reflector) Close() {
	for _, p := range r.peers {
		if p != nil {
			r.hangUp(p)
		}
	}
	for _, l := range r.listeners {
		_ = l.Close()
	}
	for _, s := range r.sockets {
		_ = s.conn.Close()
	}
	r.spare.release()
}
