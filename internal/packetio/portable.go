package packetio

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

// Portable opens the sockets of one loop over the net package. What blocks is done by goroutines that
// each socket has of its own. They call the function report that came with the socket, which must not
// block, whenever the socket may have become ready; the poller then asks the socket itself.
type Portable struct {
	// Single makes UDP sockets read and write one datagram per call and go without the local
	// address, as they do by themselves where the system has no better calls.
	Single     bool
	goroutines sync.WaitGroup
}

// PortableSocket is what a poller needs to know of a socket of Portable. Only the loop calls it.
type PortableSocket interface {
	// Ready tells whether there is something to read, and whether there is room to write and that was
	// asked for. A closed socket is never ready.
	Ready() (read, write bool)
}

// Wait blocks until the goroutines of all sockets have ended. The sockets must have been closed; a
// stream that was closed with octets still to be sent takes up to lingering.
func (p *Portable) Wait() { p.goroutines.Wait() }

// network names ip's family in the net package's way: "udp4".
func network(transport string, ip netip.Addr) string {
	if ip.Is4() {
		return transport + "4"
	}
	return transport + "6"
}

func unmapped(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// cause takes off what the net package wraps around a system's error number, so that callers find
// what the Linux sockets give them. A deadline is only ever set for want of a non-blocking call.
func cause(err error) error {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return common(errno)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return syscall.EAGAIN
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return err
}

// common translates the numbers of Winsock ("Windows Sockets Error Codes" in its reference) to those
// that package syscall defines everywhere. Other systems have no numbers as large.
func common(errno syscall.Errno) syscall.Errno {
	switch errno {
	case 10013:
		return syscall.EACCES
	case 10040:
		return syscall.EMSGSIZE
	case 10048:
		return syscall.EADDRINUSE
	case 10049:
		return syscall.EADDRNOTAVAIL
	case 10051:
		return syscall.ENETUNREACH
	case 10053:
		return syscall.ECONNABORTED
	case 10054:
		return syscall.ECONNRESET
	case 10060:
		return syscall.ETIMEDOUT
	case 10061:
		return syscall.ECONNREFUSED
	case 10065:
		return syscall.EHOSTUNREACH
	}
	return errno
}

// notImplemented reports whether err says that the system, or golang.org/x/net on it, lacks a call:
// such an error has no number and is not about the end of the socket.
func notImplemented(err error) bool {
	var errno syscall.Errno
	return err != nil && !errors.As(err, &errno) && !errors.Is(err, os.ErrDeadlineExceeded) && !ended(err)
}
