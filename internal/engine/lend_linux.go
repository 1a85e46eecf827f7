package engine

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/latency-monitor/latency-monitor/internal/packetio"
)

// Lend opens the sockets that an Engine of this configuration needs from the start, for Config.Lent of
// one that runs in another process. The caller closes them. What the system refused is noted, as New
// would.
func Lend(c Config) ([]packetio.Lent, error) {
	var sockets lending
	senders := []netip.AddrPort{
		netip.AddrPortFrom(netip.IPv4Unspecified(), 0), netip.AddrPortFrom(netip.IPv6Unspecified(), 0),
	}
	noFamily := func(_ netip.AddrPort, err error) bool { return errors.Is(err, syscall.EAFNOSUPPORT) }
	udp, tcp := c.listens()
	sockets.open("udp", senders, noFamily)
	c.noteMissing("sender", sockets.missing)
	sockets.missing = nil
	sockets.open("udp", udp, c.mayLack)
	sockets.open("tcp", tcp, c.mayLack)
	c.noteMissing("reflector", sockets.missing)
	if sockets.err != nil {
		for i := range sockets.lent {
			sockets.lent[i].Close()
		}
		return nil, sockets.err
	}
	return sockets.lent, nil
}

// lending is sockets being opened, until the first error.
type lending struct {
	lent    []packetio.Lent
	missing packetio.Missing
	err     error
}

// open opens sockets. Those of which optional says so may be left out; the Engine finds out itself.
func (l *lending) open(transport string, addresses []netip.AddrPort, optional func(netip.AddrPort, error) bool) {
	for _, local := range addresses {
		if l.err != nil {
			return
		}
		lent, missing, err := packetio.Lend(transport, local)
		switch {
		case err == nil:
			l.lent = append(l.lent, lent)
			l.missing = append(l.missing, missing...)
		case !optional(local, err):
			l.err = err
		}
	}
}
