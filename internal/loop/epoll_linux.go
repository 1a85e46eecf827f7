package loop

import (
	"encoding/binary"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/sys"
)

// Tokens of the poller itself; handlers never use the two largest.
const (
	timerToken Token = 1<<64 - 1
	wakeToken  Token = 1<<64 - 2
)

// shortWait is how long a wait may be that keeps its thread's P; see sys.EpollWaitShort.
const shortWait = 10 * time.Millisecond

// Epoll waits in epoll(7) on its sockets, on a timerfd armed with the absolute time of the next slot,
// and on an eventfd for Wake.
type Epoll struct {
	fd      int
	timer   int
	wake    int
	armed   clock.Mono
	brisk   bool // the last wait was a short one, so the next is likely to be
	streams packetio.Streams
	lent    []packetio.Lent // and not used yet
	events  [maxReady]unix.EpollEvent
	one     [8]byte // what Wake adds to the eventfd, never changed
	count   [8]byte // what is read from it
}

// NewEpoll makes a poller without sockets.
func NewEpoll() (*Epoll, error) {
	p := &Epoll{fd: -1, timer: -1, wake: -1, armed: clock.Never}
	if err := p.setUp(); err != nil {
		p.Close()
		return nil, err
	}
	binary.NativeEndian.PutUint64(p.one[:], 1)
	p.streams.Watch = p.watch
	return p, nil
}

func (p *Epoll) setUp() error {
	var err error
	if p.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if err := p.control(unix.EPOLL_CTL_ADD, p.timer, unix.EPOLLIN, timerToken); err != nil {
		return err
	}
	return p.control(unix.EPOLL_CTL_ADD, p.wake, unix.EPOLLIN, wakeToken)
}

// control adds or changes a descriptor. The kernel keeps 64 bits for us: the token, which x/sys calls
// Fd and Pad.
func (p *Epoll) control(op, fd int, events uint32, t Token) error {
	e := unix.EpollEvent{Events: events, Fd: int32(t), Pad: int32(t >> 32)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, op, fd, &e))
}

// Wait implements Poller. It does not allocate.
func (p *Epoll) Wait(until clock.Mono, ready []Ready) (int, error) {
	events := p.events[:min(len(ready), maxReady)]
	began := clock.MonoNow()
	if until <= began {
		n, err := p.takeShort(events, 0)
		return p.collect(ready, n), err
	}
	if err := p.arm(until); err != nil {
		return 0, err
	}
	n, err := p.block(events, began.Add(shortWait))
	p.brisk = clock.MonoNow().Sub(began) < shortWait
	return p.collect(ready, n), err
}

// block returns when something happens. If that is likely to be soon, it keeps the thread's P until then.
func (p *Epoll) block(events []unix.EpollEvent, soon clock.Mono) (int, error) {
	for p.brisk && clock.MonoNow() < soon {
		if n, err := p.takeShort(events, shortWait); n > 0 || err != nil {
			return n, err
		}
	}
	n, err := unix.EpollWait(p.fd, events, -1)
	return interrupted(n, err)
}

// takeShort returns what has happened, or happens for as long, or nothing when a signal comes.
func (p *Epoll) takeShort(events []unix.EpollEvent, wait time.Duration) (int, error) {
	n, errno := sys.EpollWaitShort(p.fd, events, int(wait.Milliseconds()))
	if errno == 0 {
		return n, nil
	}
	return interrupted(0, errno)
}

// interrupted is the result of an epoll_wait that may have been.
func interrupted(n int, err error) (int, error) {
	switch err {
	case nil:
		return n, nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, os.NewSyscallError("epoll_wait", err)
}

// Sleep implements Poller. It does not allocate.
func (p *Epoll) Sleep(until clock.Mono) {
	if until > clock.MonoNow() {
		sys.SleepShort(int64(until))
	}
}

// arm sets the timer to an absolute time; setting it also takes an expiry back that was not read.
func (p *Epoll) arm(until clock.Mono) error {
	if until == p.armed {
		return nil
	}
	p.armed = until
	var spec unix.ItimerSpec
	if until != clock.Never {
		spec.Value = unix.NsecToTimespec(int64(until))
	}
	return os.NewSyscallError("timerfd_settime", unix.TimerfdSettime(p.timer, unix.TFD_TIMER_ABSTIME, &spec, nil))
}

func (p *Epoll) collect(ready []Ready, n int) int {
	kept := 0
	for i := range n {
		e := &p.events[i]
		t := Token(uint32(e.Fd)) | Token(uint32(e.Pad))<<32
		switch t {
		case timerToken:
		case wakeToken:
			_, _ = unix.Read(p.wake, p.count[:])
		default:
			ready[kept] = Ready{
				Token:  t,
				Read:   e.Events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0,
				Write:  e.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0,
				Notice: e.Events&unix.EPOLLERR != 0,
			}
			kept++
		}
	}
	return kept
}

// Wake implements Poller.
func (p *Epoll) Wake() {
	_, _ = unix.Write(p.wake, p.one[:]) // fails only when the counter is full, and then Wait ends anyway
}

// Lend has ListenUDP and ListenTCP use these sockets, each once, when they are asked for the same
// address. The Epoll owns them from now on.
func (p *Epoll) Lend(sockets []packetio.Lent) { p.lent = append(p.lent, sockets...) }

// borrow takes a lent socket, if there is one.
func (p *Epoll) borrow(transport string, local netip.AddrPort) (packetio.Lent, bool) {
	i := slices.IndexFunc(p.lent, func(l packetio.Lent) bool { return l.Transport == transport && l.Local == local })
	if i < 0 {
		return packetio.Lent{}, false
	}
	lent := p.lent[i]
	p.lent = slices.Delete(p.lent, i, i+1)
	return lent, true
}

// ListenUDP implements Network.
func (p *Epoll) ListenUDP(local netip.AddrPort, o packetio.Options, t Token) (packetio.Conn, packetio.Missing, error) {
	conn, missing, err := p.openUDP(local, o)
	if err != nil {
		return nil, nil, err
	}
	if err := p.control(unix.EPOLL_CTL_ADD, conn.FD(), unix.EPOLLIN, t); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, missing, nil
}

func (p *Epoll) openUDP(local netip.AddrPort, o packetio.Options) (*packetio.LinuxConn, packetio.Missing, error) {
	if lent, ok := p.borrow("udp", local); ok {
		return packetio.BorrowUDP(lent, o)
	}
	return packetio.ListenUDP(local, o)
}

// ListenTCP implements Network.
func (p *Epoll) ListenTCP(local netip.AddrPort, t Token) (packetio.Listener, error) {
	l, err := p.openTCP(local)
	if err != nil {
		return nil, err
	}
	if err := p.control(unix.EPOLL_CTL_ADD, l.FD(), unix.EPOLLIN, t); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (p *Epoll) openTCP(local netip.AddrPort) (*packetio.LinuxListener, error) {
	if lent, ok := p.borrow("tcp", local); ok {
		return p.streams.BorrowTCP(lent)
	}
	return p.streams.ListenTCP(local)
}

// Accept implements Network.
func (p *Epoll) Accept(l packetio.Listener, t Token) (packetio.Stream, error) {
	stream, err := l.(*packetio.LinuxListener).Accept()
	if err != nil {
		return nil, err
	}
	return p.add(stream, unix.EPOLLIN, t)
}

// Dial implements Network.
func (p *Epoll) Dial(to netip.AddrPort, marks packetio.Marking, t Token) (packetio.Stream, error) {
	stream, err := p.streams.Dial(to, marks)
	if err != nil {
		return nil, err
	}
	return p.add(stream, unix.EPOLLIN|unix.EPOLLOUT, t)
}

func (p *Epoll) add(stream *packetio.LinuxStream, events uint32, t Token) (packetio.Stream, error) {
	stream.Token = uint64(t)
	if err := p.control(unix.EPOLL_CTL_ADD, stream.FD(), events, t); err != nil {
		stream.Close()
		return nil, err
	}
	return stream, nil
}

func (p *Epoll) watch(s *packetio.LinuxStream, write bool) {
	events := uint32(unix.EPOLLIN)
	if write {
		events |= unix.EPOLLOUT
	}
	_ = p.control(unix.EPOLL_CTL_MOD, s.FD(), events, Token(s.Token)) // fails only for a closed socket
}

// Canonical implements Network: zones are interface numbers.
func (p *Epoll) Canonical(addr netip.AddrPort) netip.AddrPort {
	ip := addr.Addr().Unmap()
	return netip.AddrPortFrom(sys.WithScope(ip.WithZone(""), uint32(sys.ScopeID(ip))), addr.Port())
}

// Close implements Poller. The sockets are closed by those who opened them.
func (p *Epoll) Close() error {
	for _, fd := range []*int{&p.fd, &p.timer, &p.wake} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
	for i := range p.lent {
		p.lent[i].Close()
	}
	return nil
}
