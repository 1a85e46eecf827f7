package packetio

import (
	"net"
	"sync"
)

// outboxSize bounds what waits to be written to a stream: the longest message, and 64 KiB.
const outboxSize = 2 << 16

// outbox takes what the loop writes to a stream, for a goroutine that writes it to the connection.
type outbox struct {
	wanted bool          // the loop's: it asked for a report
	work   chan struct{} // holds a token when octets may be waiting

	mu      sync.Mutex // guards the following
	waiting []byte     // not begun yet
	begun   int        // octets with the goroutine
	err     error      // why writing ended
}

func newOutbox() outbox { return outbox{work: make(chan struct{}, 1)} }

// add takes as much of p as there is room for, for the loop.
func (o *outbox) add(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n := min(len(p), outboxSize-o.begun-len(o.waiting))
	if n == 0 {
		return 0, ErrWouldBlock
	}
	o.waiting = append(o.waiting, p[:n]...)
	select {
	case o.work <- struct{}{}:
	default:
	}
	return n, nil
}

// ready reports whether the loop wants to write and can. A full outbox must be half empty first, lest
// the loop be woken for a few octets at a time.
func (o *outbox) ready() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wanted && (o.err != nil || o.begun+len(o.waiting) <= outboxSize/2)
}

// drain writes what the loop adds, until writing fails or, once done is closed, nothing waits any
// more. It runs in a goroutine of its own.
func (o *outbox) drain(conn *net.TCPConn, done <-chan struct{}, report func()) {
	var out []byte
	for {
		out = o.begin(out)
		if len(out) > 0 {
			_, err := conn.Write(out)
			o.wrote(err)
			report()
			if err != nil {
				return
			}
			continue
		}
		select {
		case <-o.work:
		case <-done:
			if !o.idle() {
				continue
			}
			return
		}
	}
}

// begin gives the goroutine what waits, and takes its memory for what comes next.
func (o *outbox) begin(memory []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.waiting
	o.waiting, o.begun = memory[:0], len(out)
	return out
}

func (o *outbox) wrote(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begun, o.err = 0, cause(err)
}

func (o *outbox) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.waiting) == 0
}
