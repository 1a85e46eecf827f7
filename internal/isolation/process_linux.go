package isolation

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latency-monitor/latency-monitor/internal/packetio"
)

// executable is this program, also when its file was replaced since it started (proc(5)).
const executable = "/proc/self/exe"

// Verb is the only argument, behind the program's name, of a process that is to Serve; the name of the
// daemon follows, for those who read ps.
const Verb = "engine-process"

// environment of a child: the collector off from the first instruction on, one P beside those that the
// engine adds for its loops, and none of our variables, which may hold secrets.
var environment = []string{"GOGC=off", "GOMAXPROCS=1"}

// process is a running child, as its parent sees it.
type process struct {
	memory *memory
	child  *os.Process
	conn   *net.UnixConn // to it
	wake   *os.File      // by which it wakes us
	since  time.Time
	ready  chan error    // gets nil when the loops run, or why they don't
	gone   chan struct{} // closed when the process has ended, all that it said is heard, and ended is set
	ended  string        // how
	still  bool          // it has not gone round its loop for a while; guarded by the Engine's mu

	mu     sync.Mutex
	outbox [][]byte
	posted chan struct{} // holds a token when there is something in outbox
}

// listener is told what a child says, from one goroutine.
type listener interface {
	heard(p *process, k kind, body []byte)
	woken()
}

// startProcess starts a child. It must be called on the thread whose priority the child is to inherit,
// and which lives as long as this process: the child is killed when the thread ends, so that it never
// outlives its parent (PR_SET_PDEATHSIG in prctl(2)).
func startProcess(name string, ringSize int, lent []packetio.Lent, l listener) (*process, error) {
	p := &process{
		since: time.Now(), ready: make(chan error, 1), gone: make(chan struct{}), posted: make(chan struct{}, 1),
	}
	theirs, err := p.connect(ringSize)
	defer closeAll(theirs)
	if err == nil {
		err = p.exec(name, theirs, lent)
	}
	if err != nil {
		p.free()
		return nil, fmt.Errorf("start engine process: %w", err)
	}
	go p.write()
	go p.wait(l)
	return p, nil
}

// connect makes what is shared with the child, and returns the child's descriptors, in their order.
func (p *process) connect(ringSize int) (theirs []int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	theirs = append(theirs, pair[1])
	ours := os.NewFile(uintptr(pair[0]), "engine process")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return theirs, err
	}
	p.conn = conn.(*net.UnixConn)
	var fd int
	if p.memory, fd, err = createMemory(ringSize); err != nil {
		return theirs, err
	}
	theirs = append(theirs, fd)
	// Not blocking at our end makes it so at theirs: it is one and the same open file.
	if fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return theirs, os.NewSyscallError("eventfd", err)
	}
	theirs = append(theirs, fd)
	ownFD, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return theirs, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	}
	p.wake = os.NewFile(uintptr(ownFD), "wake-up")
	return theirs, nil
}

// exec starts the program. What it prints, if it must panic, goes where our standard error goes.
func (p *process) exec(name string, theirs []int, lent []packetio.Lent) error {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	defer unix.Close(null)
	files := []uintptr{uintptr(null), uintptr(null), uintptr(syscall.Stderr)}
	for _, fd := range theirs {
		files = append(files, uintptr(fd))
	}
	for _, l := range lent {
		files = append(files, uintptr(l.FD))
	}
	// What this process was started with beside the standard files is not for the child. That of our own
	// is closed on exec anyway. An error says that the kernel can't do this (before Linux 5.11).
	_ = unix.CloseRange(uint(syscall.Stderr)+1, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	// Not by os/exec: that would make the files of non-blocking sockets blocking (os.File.Fd).
	pid, _, err := syscall.StartProcess(executable, []string{os.Args[0], Verb, name}, &syscall.ProcAttr{
		Dir: "/", Env: environment, Files: files, Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		name, _ := os.Readlink(executable)
		return fmt.Errorf("exec %s: %w", name, err)
	}
	p.child, err = os.FindProcess(pid)
	return err
}

// borrowed numbers the lent sockets as the child has them.
func borrowed(lent []packetio.Lent) []packetio.Lent {
	theirs := append([]packetio.Lent{}, lent...)
	for i := range theirs {
		theirs[i].FD = firstLentFD + i
	}
	return theirs
}

// send passes a message to the child. It does not wait.
func (p *process) send(k kind, body any) error {
	message, err := encode(k, body)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.outbox = append(p.outbox, message)
	p.mu.Unlock()
	select {
	case p.posted <- struct{}{}:
	default:
	}
	return nil
}

// write writes what was sent, until the process is gone.
func (p *process) write() {
	for {
		select {
		case <-p.posted:
		case <-p.gone:
			return
		}
		p.mu.Lock()
		messages := p.outbox
		p.outbox = nil
		p.mu.Unlock()
		for _, message := range messages {
			if _, err := p.conn.Write(message); err != nil {
				return // read notices, too
			}
		}
	}
}

// wait hears the child out and waits for its end.
func (p *process) wait(l listener) {
	var readers sync.WaitGroup
	readers.Go(func() { p.hear(l) })
	readers.Go(func() { p.feel(l) })
	state, err := p.child.Wait()
	_ = p.wake.Close()
	readers.Wait()
	switch {
	case p.ended != "": // it said why
	case err != nil:
		p.ended = err.Error()
	default:
		p.ended = state.String()
	}
	p.tellReady(errors.New(p.ended))
	_ = p.conn.Close()
	close(p.gone)
}

// tellReady passes on the first outcome of the start.
func (p *process) tellReady(err error) {
	select {
	case p.ready <- err:
	default:
	}
}

// hear reads messages until there are no more. A child that closes its end, or sends nonsense, is of
// no use any more.
func (p *process) hear(l listener) {
	defer p.child.Kill() // an error says that it has ended
	buf := make([]byte, maxMessage)
	for {
		n, err := p.conn.Read(buf)
		if err != nil || n == 0 {
			return
		}
		k, body, err := decode(buf[:n])
		if err != nil {
			p.ended = err.Error()
			return
		}
		l.heard(p, k, body)
	}
}

// feel reads wake-ups until the descriptor is closed.
func (p *process) feel(l listener) {
	var count [8]byte
	for {
		if _, err := p.wake.Read(count[:]); err != nil {
			return
		}
		l.woken()
	}
}

// endWithin waits for the end, and brings it about when the time is over.
func (p *process) endWithin(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.gone:
	case <-timer.C:
		_ = p.child.Kill() // an error says that it has ended
		<-p.gone
	}
}

// free frees what is shared with the child, when it is gone.
func (p *process) free() {
	if p.conn != nil {
		_ = p.conn.Close()
	}
	if p.wake != nil {
		_ = p.wake.Close()
	}
	if p.memory != nil {
		p.memory.free()
	}
}

func (p *process) String() string { return "engine process " + strconv.Itoa(p.child.Pid) }

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}
