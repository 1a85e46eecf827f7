package loop

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const portableLocal, portableMarks = true, true

func systemImplementations() []implementation { return []implementation{epoll} }

var epoll = implementation{
	name: "epoll",
	open: func() (Poller, error) {
		if err := stampTCP(); err != nil {
			return nil, err
		}
		return NewEpoll()
	},
	stamp: measurement.SourceKernel,
	local: true,
	marks: true,
}

// stampTCP makes sure that the kernel stamps TCP segments from now on. It begins a moment after the
// first socket asked for timestamps (netstamp_work in net/core/dev.c), and ends with the last. UDP
// packets that came in between are stamped when they are read, TCP segments are not.
var stampTCP = sync.OnceValue(func() error {
	p, err := NewEpoll() // stays open, with the listener
	if err != nil {
		return err
	}
	l, err := p.ListenTCP(netip.MustParseAddrPort("127.0.0.1:0"), listenToken)
	if err != nil {
		return err
	}
	conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(l.LocalAddr()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var s packetio.Stream
	err = insist(p, func() (err error) {
		s, err = p.Accept(l, acceptToken)
		return err
	})
	if err != nil {
		return err
	}
	defer s.Reset()
	for stamp := measurement.SourceNone; stamp != measurement.SourceKernel && err == nil; {
		if _, err := conn.Write([]byte("x")); err != nil {
			return err
		}
		err = insist(p, func() (err error) {
			_, _, stamp, err = s.Read(make([]byte, 10))
			return err
		})
	}
	return err
})

// insist repeats f until it would not block any more.
func insist(p Poller, f func() error) error {
	var ready [1]Ready
	for {
		if err := f(); !errors.Is(err, packetio.ErrWouldBlock) {
			return err
		}
		if _, err := p.Wait(clock.Never, ready[:]); err != nil {
			return err
		}
	}
}
