//go:build darwin || freebsd || linux

package packetio

import (
	"errors"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// setMarks sets what a connection sends with, before it connects.
func setMarks(socket syscall.RawConn, ip4 bool, m Marking) error {
	var failed error
	err := socket.Control(func(fd uintptr) { failed = m.set(int(fd), ip4) })
	return errors.Join(err, failed)
}

// setMarksLate has nothing left to do.
func setMarksLate(*net.TCPConn, bool, Marking) {}

// set sets the options of socket fd.
func (m Marking) set(fd int, ip4 bool) error {
	level, tos, ttl := unix.IPPROTO_IPV6, unix.IPV6_TCLASS, unix.IPV6_UNICAST_HOPS
	if ip4 {
		level, tos, ttl = unix.IPPROTO_IP, unix.IP_TOS, unix.IP_TTL
	}
	if m.TOS != 0 {
		if err := unix.SetsockoptInt(fd, level, tos, int(m.TOS)); err != nil {
			return os.NewSyscallError("setsockopt TOS", err)
		}
	}
	if m.TTL != 0 {
		return os.NewSyscallError("setsockopt TTL", unix.SetsockoptInt(fd, level, ttl, int(m.TTL)))
	}
	return nil
}

// receiveTOS asks for the TOS of received IPv4 packets, which golang.org/x/net knows nothing of.
func receiveTOS(socket syscall.Conn) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1) })
	return errors.Join(err, failed)
}

// tosRoom is the room for receivedTOS's control message.
func tosRoom() int { return unix.CmsgSpace(1) }

// receivedTOS finds the TOS among the control messages of an IPv4 packet. It is one octet, in a message
// named for the octet (Linux) or for the option (FreeBSD, macOS).
func receivedTOS(control []byte) (tos uint8, ok bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		named := m.Header.Type == unix.IP_TOS || m.Header.Type == unix.IP_RECVTOS
		if m.Header.Level == unix.IPPROTO_IP && named && len(m.Data) > 0 {
			return m.Data[0], true
		}
	}
	return 0, false
}
