package packetio

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/sys"
	"github.com/latency-monitor/latency-monitor/internal/timestamp"
)

// LinuxConn is a UDP socket read and written by recvmmsg and sendmmsg.
type LinuxConn struct {
	fd       int
	stamp    func() // Options.Stamp
	local    netip.AddrPort
	only     netip.Addr // the address that all packets come to and leave from; unset for a wildcard
	recv     *sys.RecvBatch
	send     *sys.SendBatch
	errors   *sys.RecvBatch
	overflow uint64
	drops    uint32 // the kernel's counter, as last seen
	transmit bool   // Options.Transmit, and the kernel does
	ids      transmitIDs
	ttl      ownTTL
}

// ListenUDP opens a UDP socket on local, whose port may be 0. What the system refused and the socket
// can do without is in Missing.
func ListenUDP(local netip.AddrPort, o Options) (*LinuxConn, Missing, error) {
	fd, missing, err := openUDP(local)
	if err != nil {
		return nil, nil, err
	}
	c := newLinuxConn(fd, o)
	if local.Port() == 0 {
		err = bind(fd, local)
	}
	if err == nil {
		var more Missing
		more, err = c.setUp(o)
		missing = append(missing, more...)
	}
	if err != nil {
		c.Close()
		return nil, nil, fmt.Errorf("listen on udp %s: %w", local, err)
	}
	return c, missing, nil
}

// openUDP opens a UDP socket with what may need privilege, and what must be there before the first
// packet comes: room to receive, timestamps and the like, then the port if it is not 0.
func openUDP(local netip.AddrPort) (fd int, missing Missing, err error) {
	fd, err = unix.Socket(family(local.Addr()), unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, fmt.Errorf("open udp socket for %s: %w", local, os.NewSyscallError("socket", err))
	}
	missing.try(roomToReceive(fd))
	missing.try(timestamp.EnableReceive(fd))
	missing.try(setInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1, "SO_RXQ_OVFL"))
	if local.Addr().Is6() {
		missing.try(setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1, "IPV6_V6ONLY"))
	}
	if local.Addr().IsUnspecified() { // else it is known to which address packets come
		missing.try(enableLocal(fd, local.Addr()))
	}
	if local.Port() == 0 {
		return fd, missing, nil
	}
	if err := bind(fd, local); err != nil {
		unix.Close(fd)
		return -1, nil, fmt.Errorf("listen on udp %s: %w", local, err)
	}
	return fd, missing, nil
}

// enableLocal has the kernel tell to which address each packet came.
func enableLocal(fd int, local netip.Addr) error {
	if local.Is4() {
		return setInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1, "IP_PKTINFO")
	}
	return setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO")
}

func newLinuxConn(fd int, o Options) *LinuxConn {
	return &LinuxConn{
		fd: fd, stamp: o.Stamp, recv: sys.NewRecvBatch(o.Batch, o.MaxSize), send: sys.NewSendBatch(o.Batch),
		errors: sys.NewRecvBatch(noticeBatch, quoted),
	}
}

// setUp makes a bound socket fit for its use.
func (c *LinuxConn) setUp(o Options) (missing Missing, err error) {
	if c.local, err = boundTo(c.fd); err != nil {
		return nil, err
	}
	if ip := c.local.Addr(); !ip.IsUnspecified() {
		c.only = ip
	}
	missing.try(setTTL(c.fd, c.local.Addr(), systemTTL)) // a borrowed socket may have another one
	missing.try(c.recv.Try(c.fd))
	missing.try(c.send.Try(c.fd))
	_ = c.errors.Try(c.fd) // the same as recv
	if o.Errors {
		missing.try(enableErrors(c.fd, c.local.Addr()))
	}
	if o.Marks {
		missing = append(missing, enableMarks(c.fd, c.local.Addr())...)
	}
	if o.Transmit {
		missing.try(c.number())
	}
	return missing, nil
}

// enableMarks has the kernel tell TOS and TTL of received packets, also of those that wait already: it
// looks when they are read.
func enableMarks(fd int, local netip.Addr) (missing Missing) {
	if local.Is4() {
		missing.try(setInt(fd, unix.IPPROTO_IP, unix.IP_RECVTOS, 1, "IP_RECVTOS"))
		missing.try(setInt(fd, unix.IPPROTO_IP, unix.IP_RECVTTL, 1, "IP_RECVTTL"))
		return missing
	}
	missing.try(setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1, "IPV6_RECVTCLASS"))
	missing.try(setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT"))
	return missing
}

// roomToReceive makes the receive queue large. Without privilege the kernel cuts it down, silently.
func roomToReceive(fd int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveQueue) == nil {
		return nil
	}
	if err := setInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveQueue, "SO_RCVBUF"); err != nil {
		return err
	}
	// The kernel doubles the value, for what it needs itself (socket(7)).
	if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil && got/2 < receiveQueue {
		return fmt.Errorf("receive queue of %d octets: only %d, the limit of net.core.rmem_max", receiveQueue, got/2)
	}
	return nil
}

// FD is the socket's descriptor, for the poller.
func (c *LinuxConn) FD() int { return c.fd }

// LocalAddr implements Conn.
func (c *LinuxConn) LocalAddr() netip.AddrPort { return c.local }

// Overflow implements Conn.
func (c *LinuxConn) Overflow() uint64 { return c.overflow }

// ReadBatch implements Conn. It does not allocate.
func (c *LinuxConn) ReadBatch(packets []Packet) (int, error) {
	n, errno := c.recv.Recv(c.fd, len(packets), 0)
	if errno != 0 {
		return 0, transient(errno)
	}
	for i := range n {
		control := timestamp.ParseControl(c.recv.Control(i))
		p := &packets[i]
		p.Data, p.Remote, p.Local, p.Cut = c.recv.Payload(i), c.recv.Name(i), control.Local, c.recv.Truncated(i)
		if c.only.IsValid() {
			p.Local = c.only
		}
		p.At, p.Stamp = wall(control.At)
		p.TOS, p.TTL = control.TOS, control.TTL
		if control.Overflow != 0 {
			c.overflow += uint64(control.Overflow - c.drops)
			c.drops = control.Overflow
		}
	}
	return n, nil
}

// transient drops the errors that say nothing about the call: there is nothing to read, or an ICMP
// error came in, which the error queue tells in full.
func transient(errno unix.Errno) error {
	switch errno {
	case unix.EAGAIN, unix.EINTR, unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN,
		unix.EPROTO, unix.EACCES, unix.EOPNOTSUPP, unix.ENOPROTOOPT, unix.EMSGSIZE, unix.ENONET, unix.ETIMEDOUT:
		return nil
	}
	return errno
}

// WriteBatch implements Conn. It does not allocate.
func (c *LinuxConn) WriteBatch(packets []Packet) (int, error) {
	n := min(len(packets), c.send.Cap())
	c.settleTTL(packets[:n])
	for i := range n {
		p := &packets[i]
		c.send.Set(i, p.Data, p.Remote, c.ancillary(p))
	}
	if c.stamp != nil {
		c.stamp()
	}
	sent, retried := 0, false
	for sent < n {
		took, errno := c.send.Send(c.fd, sent, n)
		for i := sent; i < sent+took; i++ {
			if c.numbers(&packets[i]) {
				packets[i].ID = c.ids.next()
			}
		}
		sent += took
		if errno == 0 {
			retried = false
			continue
		}
		if c.transmit && c.numbers(&packets[sent]) {
			c.renumber()
		}
		// The kernel reports an ICMP error about an earlier packet as failure of the next call on the
		// socket, once, without having sent anything: try again.
		if retried || errno == unix.EAGAIN {
			return sent, errno
		}
		retried = true
	}
	return sent, nil
}

// ancillary is what the kernel must be told of a packet, because the socket by itself would do something else.
func (c *LinuxConn) ancillary(p *Packet) sys.Ancillary {
	a := sys.Ancillary{TOS: p.TOS, Stamp: p.Notify && c.transmit}
	if p.Local != c.only {
		a.From = p.Local
	}
	if p.TTL != c.ttl.set {
		a.TTL = p.TTL
	}
	return a
}

// Close implements Conn.
func (c *LinuxConn) Close() error {
	if c.fd < 0 {
		return nil
	}
	fd := c.fd
	c.fd = -1
	return os.NewSyscallError("close", unix.Close(fd))
}
