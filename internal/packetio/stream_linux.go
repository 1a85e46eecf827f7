package packetio

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/sys"
	"github.com/latency-monitor/latency-monitor/internal/timestamp"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// backlog is how many connections may wait to be accepted; the kernel cuts it to net.core.somaxconn.
const backlog = 4096

// Streams opens the TCP sockets of one loop and keeps what they share: one reader, and closed streams
// to be used again, so that a connection per probe does not allocate.
type Streams struct {
	reader sys.StreamReader
	info   unix.TCPInfo
	free   []*LinuxStream
	// Watch is told when a stream starts or stops to care about room to write. The poller sets it.
	Watch func(s *LinuxStream, write bool)
}

// LinuxStream is a TCP connection on a non-blocking socket.
type LinuxStream struct {
	Token  uint64 // the poller's
	shared *Streams
	fd     int
	remote netip.AddrPort
}

// Dial starts connecting to the address to, with these marks on all packets. Failures that are known at
// once come as error, the others from Handshake.
func (s *Streams) Dial(to netip.AddrPort, m Marking) (*LinuxStream, error) {
	fd, err := unix.Socket(family(to.Addr()), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	prepare(fd)
	if err := m.set(fd, to.Addr().Is4()); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if errno := sys.Connect(fd, to); errno != 0 && errno != unix.EINPROGRESS {
		unix.Close(fd)
		return nil, errno
	}
	return s.wrap(fd, to), nil
}

// prepare sets what every connection of ours has. Without NODELAY a probe waits for the
// acknowledgement of the one before; without timestamps the clock is read in user space.
func prepare(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = timestamp.EnableReceive(fd)
}

func (s *Streams) wrap(fd int, remote netip.AddrPort) *LinuxStream {
	n := len(s.free)
	if n == 0 {
		return &LinuxStream{shared: s, fd: fd, remote: remote}
	}
	stream := s.free[n-1]
	s.free = s.free[:n-1]
	*stream = LinuxStream{shared: s, fd: fd, remote: remote}
	return stream
}

// FD is the socket's descriptor, for the poller.
func (s *LinuxStream) FD() int { return s.fd }

// Remote implements Stream.
func (s *LinuxStream) Remote() netip.AddrPort { return s.remote }

// Handshake implements Stream. The kernel's own measurement (tcpi_rtt) is right after the handshake
// the time from SYN to SYN-ACK.
func (s *LinuxStream) Handshake() (Handshake, error) {
	if errno := sys.SocketError(s.fd); errno != 0 {
		return Handshake{}, errno
	}
	if errno := sys.TCPInfo(s.fd, &s.shared.info); errno != 0 {
		return Handshake{}, errno
	}
	info := &s.shared.info
	switch info.State {
	case unix.BPF_TCP_SYN_SENT, unix.BPF_TCP_SYN_RECV:
		return Handshake{}, ErrWouldBlock
	case unix.BPF_TCP_CLOSE:
		return Handshake{}, unix.ECONNRESET
	}
	return Handshake{RTT: time.Duration(info.Rtt) * time.Microsecond, Retransmits: int(info.Total_retrans)}, nil
}

// Read implements Stream. It does not allocate.
func (s *LinuxStream) Read(p []byte) (int, clock.Wall, measurement.TimestampSource, error) {
	n, control, errno := s.shared.reader.Read(s.fd, p)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return 0, 0, 0, ErrWouldBlock
	case errno != 0:
		return 0, 0, 0, errno
	case n == 0:
		return 0, 0, 0, io.EOF
	}
	at, stamp := wall(timestamp.ParseControl(control).At)
	return n, at, stamp, nil
}

// Write implements Stream. It does not allocate.
func (s *LinuxStream) Write(p []byte) (int, error) {
	n, errno := sys.Write(s.fd, p)
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return 0, ErrWouldBlock
	}
	if errno != 0 {
		return 0, errno
	}
	return n, nil
}

// WantWrite implements Stream.
func (s *LinuxStream) WantWrite(want bool) { s.shared.Watch(s, want) }

// Close implements Stream.
func (s *LinuxStream) Close() {
	if s.fd < 0 {
		return
	}
	unix.Close(s.fd)
	s.fd = -1
	s.shared.free = append(s.shared.free, s)
}

// Reset implements Stream: closing with a linger time of 0 sends a reset (SO_LINGER in socket(7)).
func (s *LinuxStream) Reset() {
	if s.fd < 0 {
		return
	}
	linger := unix.Linger{Onoff: 1}
	_ = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &linger)
	s.Close()
}

// LinuxListener is a listening TCP socket.
type LinuxListener struct {
	shared *Streams
	fd     int
	local  netip.AddrPort
}

// ListenTCP listens on local, whose port may be 0.
func (s *Streams) ListenTCP(local netip.AddrPort) (*LinuxListener, error) {
	fd, err := openTCP(local)
	if err != nil {
		return nil, err
	}
	l := &LinuxListener{shared: s, fd: fd}
	if l.local, err = boundTo(fd); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// openTCP opens a socket that listens.
func openTCP(local netip.AddrPort) (fd int, err error) {
	fd, err = unix.Socket(family(local.Addr()), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open tcp socket for %s: %w", local, os.NewSyscallError("socket", err))
	}
	if err := listen(fd, local); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("listen on tcp %s: %w", local, err)
	}
	return fd, nil
}

func listen(fd int, local netip.AddrPort) error {
	if err := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1, "SO_REUSEADDR"); err != nil {
		return err
	}
	if local.Addr().Is6() {
		if err := setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1, "IPV6_V6ONLY"); err != nil {
			return err
		}
	}
	prepare(fd) // accepted sockets inherit both options
	if err := bind(fd, local); err != nil {
		return err
	}
	return os.NewSyscallError("listen", unix.Listen(fd, backlog))
}

// FD is the socket's descriptor, for the poller.
func (l *LinuxListener) FD() int { return l.fd }

// LocalAddr implements Listener.
func (l *LinuxListener) LocalAddr() netip.AddrPort { return l.local }

// Accept takes one connection; ErrWouldBlock when none waits. It does not block.
func (l *LinuxListener) Accept() (*LinuxStream, error) {
	fd, remote, errno := sys.Accept(l.fd)
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return nil, ErrWouldBlock
	}
	if errno != 0 {
		return nil, errno
	}
	return l.shared.wrap(fd, remote), nil
}

// Close implements Listener.
func (l *LinuxListener) Close() error {
	if l.fd < 0 {
		return nil
	}
	fd := l.fd
	l.fd = -1
	return os.NewSyscallError("close", unix.Close(fd))
}
