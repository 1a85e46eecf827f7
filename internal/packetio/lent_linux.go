package packetio

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/sys"
)

// Lend opens a socket to lend, as far as that needs privilege: with a large receive queue, bound to its
// port unless that is 0, and listening. The caller closes it.
func Lend(transport string, local netip.AddrPort) (Lent, Missing, error) {
	lent := Lent{Transport: transport, Local: local}
	var missing Missing
	var err error
	switch transport {
	case udp:
		lent.FD, missing, err = openUDP(local)
	case tcp:
		lent.FD, err = openTCP(local)
	default:
		err = fmt.Errorf("lend a socket of transport %q: must be %q or %q", transport, udp, tcp)
	}
	return lent, missing, err
}

// Return notes the state of a socket whose user is gone, so that the next one counts what has been
// dropped since.
func (l *Lent) Return() {
	if l.Transport != udp {
		return
	}
	if drops, errno := sys.SocketDrops(l.FD); errno == 0 {
		l.Dropped = drops
	}
}

// Close closes the lender's descriptor. It is idempotent.
func (l *Lent) Close() {
	if l.FD >= 0 {
		_ = unix.Close(l.FD)
		l.FD = -1
	}
}

// BorrowUDP makes a Conn of a lent socket, which belongs to the Conn from now on. A socket whose port
// is 0 gets a new one, so that nobody takes its packets for those of the last user. What waits in the
// socket is dropped and counts as overflow: it was meant for the last user, or came when there was
// none, and an answer now would be far too late.
func BorrowUDP(l Lent, o Options) (*LinuxConn, Missing, error) {
	c := newLinuxConn(l.FD, o)
	c.drops = l.Dropped
	missing, err := c.borrow(l, o)
	if err != nil {
		c.Close()
		return nil, nil, fmt.Errorf("use the udp socket on %s: %w", l.Local, err)
	}
	return c, missing, nil
}

func (c *LinuxConn) borrow(l Lent, o Options) (Missing, error) {
	if l.Local.Port() == 0 {
		if errno := sys.Disconnect(c.fd); errno != 0 {
			return nil, os.NewSyscallError("connect", errno)
		}
		if err := bind(c.fd, l.Local); err != nil {
			return nil, err
		}
	}
	missing, err := c.setUp(o)
	if err != nil {
		return nil, err
	}
	return missing, c.discard(o.Batch)
}

// discard drops what waits in the socket.
func (c *LinuxConn) discard(batch int) error {
	packets, notices := make([]Packet, batch), make([]Notice, noticeBatch)
	for {
		n, err := c.ReadBatch(packets)
		if err != nil {
			return err
		}
		told, err := c.ReadNotices(notices)
		if err != nil {
			return err
		}
		if n == 0 && told == 0 {
			return nil
		}
		c.overflow += uint64(n)
	}
}

// BorrowTCP makes a listener of a lent socket, which belongs to it from now on. Connections may wait
// in it that nobody answered for a while.
func (s *Streams) BorrowTCP(l Lent) (*LinuxListener, error) {
	listener := &LinuxListener{shared: s, fd: l.FD}
	var err error
	if listener.local, err = boundTo(l.FD); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}
