package packetio

import (
	"net"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// readSize is how much of a stream is read at once, in octets.
const readSize = 16 << 10

// segment is what one read of a stream gave: octets, or the error that ended it.
type segment struct {
	data []byte
	at   clock.Wall
	err  error
}

// inbox hands what was read from a stream to its loop. The reading goroutine goes on when the loop has
// taken all.
type inbox struct {
	arrived chan segment  // to the loop, at most one
	taken   chan struct{} // from the loop, at most one
	current segment       // the loop's: what is left of it
}

func newInbox() inbox {
	return inbox{arrived: make(chan segment, 1), taken: make(chan struct{}, 1)}
}

// fill reads conn to its end. It runs in a goroutine of its own.
func (in *inbox) fill(conn *net.TCPConn, done <-chan struct{}, report func()) {
	buf := make([]byte, readSize)
	for {
		n, err := conn.Read(buf)
		in.arrived <- segment{data: buf[:n], at: clock.WallNow(), err: cause(err)} // has room
		report()
		if err != nil {
			return
		}
		select {
		case <-in.taken:
		case <-done:
			return
		}
	}
}

// take moves what is there to p, for the loop.
func (in *inbox) take(p []byte) (int, clock.Wall, error) {
	if !in.pending() {
		select {
		case in.current = <-in.arrived:
		default:
			return 0, 0, ErrWouldBlock
		}
	}
	if len(in.current.data) == 0 {
		return 0, 0, in.current.err
	}
	n := copy(p, in.current.data)
	in.current.data = in.current.data[n:]
	if !in.pending() {
		in.taken <- struct{}{}
	}
	return n, in.current.at, nil
}

// pending reports whether the loop has something left of what it took; the end stays.
func (in *inbox) pending() bool { return len(in.current.data) > 0 || in.current.err != nil }

func (in *inbox) ready() bool { return in.pending() || len(in.arrived) > 0 }
