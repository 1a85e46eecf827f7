package reflector

import (
	"errors"
	"io"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const (
	acceptAtOnce = 64
	readsAtOnce  = 4
	// keptScanners is how many scanners of closed connections are kept.
	keptScanners = 16
)

// peer is one accepted TCP connection.
type peer struct {
	stream  packetio.Stream
	index   int
	serial  uint32
	since   clock.Mono
	session *session           // nil before the first probe
	scanner *textproto.Scanner // nil before there is something to read
	unread  replies            // that wait for room to be written
	waits   bool               // whether there are any
	stalled bool               // the peer does not read them: the connection is to be ended
}

// idle reports whether the connection is of no use any more.
func (p *peer) idle(now clock.Mono, crowded bool) bool {
	switch {
	case p.session != nil:
		return !p.session.open
	case crowded:
		return now.Sub(p.since) > idleConnection
	}
	return now.Sub(p.since) > idleUnknown
}

// accept takes the connections that wait.
func (r *Reflector) accept(l packetio.Listener) {
	for range acceptAtOnce {
		p := r.freePeer()
		r.serial++
		stream, err := r.network.Accept(l, token(peerSocket, p.index, r.serial))
		switch {
		case errors.Is(err, packetio.ErrWouldBlock):
			return
		case outOfDescriptors(err):
			r.turnAway(l)
			return
		case err != nil: // the peer is gone already
			r.counters.Inc(selfstats.ConnectionsFailed)
			return
		}
		r.counters.Inc(selfstats.ConnectionsAccepted)
		allowed := r.allows(stream.Remote().Addr())
		if !allowed {
			r.counters.Inc(selfstats.ProbesNotAllowed)
		}
		if !allowed || r.connected >= r.config.MaxSessions {
			r.counters.Inc(selfstats.ConnectionsRefused)
			stream.Reset()
			continue
		}
		r.connected++
		r.freePeers = r.freePeers[:len(r.freePeers)-1]
		p.stream, p.serial, p.since = stream, r.serial, clock.MonoNow()
		r.peers[p.index] = p
	}
}

// freePeer finds a place in peers, making one if there is none. It is taken by shortening freePeers.
func (r *Reflector) freePeer() *peer {
	if n := len(r.freePeers); n > 0 {
		return r.freePeers[n-1]
	}
	p := &peer{index: len(r.peers)}
	r.peers = append(r.peers, nil)
	r.freePeers = append(r.freePeers, p)
	return p
}

// hangUp closes a connection and forgets its session.
func (r *Reflector) hangUp(p *peer) {
	if p.session != nil && p.session.open {
		r.end(p.session)
	}
	r.release(p)
	if p.stalled {
		p.stream.Reset() // what the kernel holds for it is of no use either
	} else {
		p.stream.Close()
	}
	r.giveScanner(p.scanner)
	r.peers[p.index] = nil
	*p = peer{index: p.index}
	r.freePeers = append(r.freePeers, p)
	r.connected--
}

// takeScanner gives a connection its scanner, and giveScanner takes it back. Some are kept, so that a
// connect probe, of which only the end is read, does not cost one.
func (r *Reflector) takeScanner() *textproto.Scanner {
	n := len(r.scanners)
	if n == 0 {
		return textproto.NewScanner(r.config.MaxSize)
	}
	s := r.scanners[n-1]
	r.scanners = r.scanners[:n-1]
	return s
}

func (r *Reflector) giveScanner(s *textproto.Scanner) {
	if s != nil && len(r.scanners) < keptScanners {
		s.Reset()
		r.scanners = append(r.scanners, s)
	}
}

// readyPeer reads probes and writes replies.
func (r *Reflector) readyPeer(p *peer, ready loop.Ready) {
	if ready.Write && !r.resume(p) {
		r.hangUp(p)
		return
	}
	if p.scanner == nil {
		p.scanner = r.takeScanner()
	}
	for i := 0; ready.Read && i < readsAtOnce; i++ {
		if more := r.read(p); !more {
			return
		}
	}
}

// read reads once, and answers the probes that are complete; false when there is no more for now.
func (r *Reflector) read(p *peer) (more bool) {
	n, at, stamp, err := p.stream.Read(p.scanner.Free())
	switch {
	case errors.Is(err, packetio.ErrWouldBlock):
		return false
	case errors.Is(err, io.EOF):
		r.hangUp(p)
		return false
	case err != nil:
		if p.session != nil { // else it is how a connect probe ends
			r.counters.Inc(selfstats.ConnectionsFailed)
		}
		r.hangUp(p)
		return false
	}
	p.scanner.Fed(n)
	ok := r.scan(p, at, stamp)
	ok = r.flush(p) && ok // what was good before a bad probe is answered all the same
	r.publishArrived()
	if !ok {
		r.hangUp(p)
	}
	return ok
}

// scan answers the complete probes, up to what it leaves staged; false when the connection can't go on.
func (r *Reflector) scan(p *peer, at clock.Wall, stamp measurement.TimestampSource) bool {
	now := clock.MonoNow()
	for {
		m, ok, err := p.scanner.Next()
		if err != nil {
			r.counters.Inc(selfstats.ProbesMalformed)
			return false
		}
		if !ok {
			return true
		}
		if m.Timestamp < oldest {
			r.counters.Inc(selfstats.ProbesMalformed)
			continue
		}
		if r.config.Stamp.RequireAuth {
			r.counters.Inc(selfstats.ProbesUnauthenticated)
			return false
		}
		a := arrival{transport: measurement.TCP, ends: ends{remote: p.stream.Remote()}, message: m, t1: m.Timestamp, at: at, stamp: stamp, now: now}
		x, own := r.find(p.session, &a)
		if x == nil {
			return false
		}
		p.session = x
		r.receive(&a)
		r.staged.add(m, r.config.Name, int64(at))
		if own {
			r.arrive(x, &a)
		}
		if len(r.staged.octets) >= r.unreadLimit() && !r.flush(p) {
			return false
		}
	}
}
