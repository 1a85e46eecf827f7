package engine

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
)

// What a hook is asked about.
const (
	opens = iota + 1 // making a poller
	listensUDP
	listensTCP
	accepts
	dials
	waits
)

// lacks is an error with which a hook lets a UDP socket be opened that goes without something.
type lacks struct{ error }

// call is a call of a poller that is about to be made.
type call struct {
	what  int
	mode  Mode
	first bool           // of the mode's first poller, which is the sender's
	at    netip.AddrPort // for listensUDP and listensTCP
}

// hook lets a test interfere: with an error that it returns the call fails. It may be called from
// several goroutines.
type hook func(call) error

// spies makes pollers that a test can look into and interfere with.
type spies struct {
	hook hook // nil: none

	mu   sync.Mutex
	made []*spy
}

func (s *spies) ask(c call) error {
	if s.hook == nil {
		return nil
	}
	return s.hook(c)
}

// open is what an Engine gets as its open.
func (s *spies) open(m Mode) (loop.Poller, error) {
	c := call{what: opens, mode: m, first: len(s.of(m)) == 0}
	if err := s.ask(c); err != nil {
		return nil, err
	}
	p, err := newPoller(m)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = append(s.made, &spy{Poller: p, spies: s, mode: m, first: c.first})
	return s.made[len(s.made)-1], nil
}

// of are the pollers of a mode: the sender's, the reflector's.
func (s *spies) of(m Mode) []*spy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.made), func(p *spy) bool { return p.mode != m })
}

// spy is a poller.
type spy struct {
	loop.Poller
	spies *spies
	mode  Mode
	first bool

	udp, tcp []netip.AddrPort // where it listens
	sleeps   atomic.Bool      // its Wait has no end but Wake
	waited   atomic.Uint64    // how often Wait was called
	closed   atomic.Bool
}

func (p *spy) ask(what int, at netip.AddrPort) error {
	return p.spies.ask(call{what: what, mode: p.mode, first: p.first, at: at})
}

// ListenUDP implements loop.Network.
func (p *spy) ListenUDP(local netip.AddrPort, o packetio.Options, t loop.Token) (packetio.Conn, packetio.Missing, error) {
	asked := p.ask(listensUDP, local)
	without, opened := asked.(lacks)
	if asked != nil && !opened {
		return nil, nil, asked
	}
	conn, missing, err := p.Poller.ListenUDP(local, o, t)
	if err == nil {
		p.udp = append(p.udp, conn.LocalAddr())
	}
	if opened {
		missing = append(missing, without.error)
	}
	return conn, missing, err
}

// ListenTCP implements loop.Network.
func (p *spy) ListenTCP(local netip.AddrPort, t loop.Token) (packetio.Listener, error) {
	if err := p.ask(listensTCP, local); err != nil {
		return nil, err
	}
	l, err := p.Poller.ListenTCP(local, t)
	if err == nil {
		p.tcp = append(p.tcp, l.LocalAddr())
	}
	return l, err
}

// Accept implements loop.Network.
func (p *spy) Accept(l packetio.Listener, t loop.Token) (packetio.Stream, error) {
	if err := p.ask(accepts, netip.AddrPort{}); err != nil {
		return nil, err
	}
	return p.Poller.Accept(l, t)
}

// Dial implements loop.Network.
func (p *spy) Dial(to netip.AddrPort, marks packetio.Marking, t loop.Token) (packetio.Stream, error) {
	if err := p.ask(dials, netip.AddrPort{}); err != nil {
		return nil, err
	}
	return p.Poller.Dial(to, marks, t)
}

// Wait implements loop.Poller.
func (p *spy) Wait(until clock.Mono, ready []loop.Ready) (int, error) {
	if err := p.ask(waits, netip.AddrPort{}); err != nil {
		return 0, err
	}
	if p.sleeps.Load() {
		until = clock.Never
	}
	p.waited.Add(1)
	return p.Poller.Wait(until, ready)
}

// Close implements loop.Poller.
func (p *spy) Close() error {
	p.closed.Store(true)
	return p.Poller.Close()
}
