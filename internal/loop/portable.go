package loop

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
)

// Portable waits on a channel, to which the goroutines of its sockets report, and on a timer. It runs
// wherever Go does.
type Portable struct {
	sockets packetio.Portable
	timer   *time.Timer
	signal  chan struct{} // holds a token when reported or woken may have changed
	again   []*source     // collect's

	mu       sync.Mutex // guards the following
	reported []*source  // sockets that may be ready, each once
	woken    bool
}

// source is one socket. It is marked as reported as long as it may be ready.
type source struct {
	poller *Portable
	token  Token
	socket packetio.PortableSocket
	marked bool // guarded by the poller's mu
}

// NewPortable makes a poller without sockets.
func NewPortable() (*Portable, error) {
	p := &Portable{timer: time.NewTimer(0), signal: make(chan struct{}, 1)}
	p.timer.Stop()
	return p, nil
}

// Wait implements Poller.
func (p *Portable) Wait(until clock.Mono, ready []Ready) (int, error) {
	for {
		n, woken := p.collect(ready)
		if n > 0 || woken || until <= clock.MonoNow() {
			return n, nil
		}
		p.sleep(until)
	}
}

// Sleep implements Poller.
func (p *Portable) Sleep(until clock.Mono) { time.Sleep(until.Sub(clock.MonoNow())) }

// sleep returns when there is something to collect, or when the time has come.
func (p *Portable) sleep(until clock.Mono) {
	if until == clock.Never {
		<-p.signal
		return
	}
	p.timer.Reset(until.Sub(clock.MonoNow()))
	select {
	case <-p.signal:
		p.timer.Stop()
	case <-p.timer.C:
	}
}

// collect asks the sockets that reported whether they are ready. Those that are not must report anew;
// those that are come last the next time, so that none starves when there are more than ready holds.
func (p *Portable) collect(ready []Ready) (n int, woken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	again, asked := p.again[:0], 0
	for _, s := range p.reported {
		if n == len(ready) {
			break
		}
		asked++
		read, write := s.socket.Ready()
		if !read && !write {
			s.marked = false
			continue
		}
		ready[n] = Ready{Token: s.token, Read: read, Write: write}
		again = append(again, s)
		n++
	}
	p.reported = append(slices.Delete(p.reported, 0, asked), again...)
	p.again = again
	woken, p.woken = p.woken, false
	return n, woken
}

// report notes that the socket may have become ready. It may be called from any goroutine.
func (s *source) report() {
	p := s.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.marked {
		return // collect will ask it
	}
	s.marked = true
	p.reported = append(p.reported, s)
	p.notify()
}

// Wake implements Poller.
func (p *Portable) Wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.woken = true
	p.notify()
}

func (p *Portable) notify() {
	select {
	case p.signal <- struct{}{}:
	default: // one token is enough
	}
}

func (p *Portable) source(t Token) *source { return &source{poller: p, token: t} }

// ListenUDP implements Network.
func (p *Portable) ListenUDP(local netip.AddrPort, o packetio.Options, t Token) (packetio.Conn, packetio.Missing, error) {
	s := p.source(t)
	conn, missing, err := p.sockets.ListenUDP(local, o, s.report)
	if err != nil {
		return nil, nil, err
	}
	s.socket = conn
	return conn, missing, nil
}

// ListenTCP implements Network.
func (p *Portable) ListenTCP(local netip.AddrPort, t Token) (packetio.Listener, error) {
	s := p.source(t)
	l, err := p.sockets.ListenTCP(local, s.report)
	if err != nil {
		return nil, err
	}
	s.socket = l
	return l, nil
}

// Accept implements Network.
func (p *Portable) Accept(l packetio.Listener, t Token) (packetio.Stream, error) {
	s := p.source(t)
	stream, err := l.(*packetio.PortableListener).Accept(s.report)
	if err != nil {
		return nil, err
	}
	s.socket = stream
	return stream, nil
}

// Dial implements Network. Where a system sets the marks on connected sockets only, the first packet
// goes without; where it does not at all, all go.
func (p *Portable) Dial(to netip.AddrPort, marks packetio.Marking, t Token) (packetio.Stream, error) {
	s := p.source(t)
	stream := p.sockets.Dial(to, marks, s.report)
	s.socket = stream
	return stream, nil
}

// Canonical implements Network: zones are interface names, as the net package has them.
func (p *Portable) Canonical(addr netip.AddrPort) netip.AddrPort {
	ip := addr.Addr().Unmap()
	if !ip.IsLinkLocalUnicast() {
		return netip.AddrPortFrom(ip.WithZone(""), addr.Port())
	}
	if index, err := strconv.Atoi(ip.Zone()); err == nil {
		if device, err := net.InterfaceByIndex(index); err == nil {
			ip = ip.WithZone(device.Name)
		}
	}
	return netip.AddrPortFrom(ip, addr.Port())
}

// Close implements Poller. The sockets must have been closed by those who opened them: it waits for
// their goroutines.
func (p *Portable) Close() error {
	p.timer.Stop()
	p.sockets.Wait()
	return nil
}
