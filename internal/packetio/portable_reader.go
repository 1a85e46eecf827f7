package packetio

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/net/ipv4"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// reader fills arrivals from a socket, in a goroutine of its own.
type reader struct {
	conn     *net.UDPConn
	batches  batcher
	arrivals *arrivals
	done     <-chan struct{}
	size     int
	single   bool // no batch calls here
}

func newReader(c *PortableConn, o Options) *reader {
	for range inFlight {
		// One octet more than the limit tells that there was more.
		messages := newMessages(o.Batch, o.MaxSize+1, controlSize(c.local.Addr()))
		c.arrived.empty <- &arrival{messages: messages, packets: make([]Packet, o.Batch)}
	}
	return &reader{
		conn: c.conn, batches: c.batches, arrivals: &c.arrived, done: c.done, size: o.MaxSize, single: c.single,
	}
}

// run reads until the socket is closed.
func (r *reader) run(report func()) {
	for {
		select {
		case a := <-r.arrivals.empty:
			if err := r.fill(a); ended(err) {
				return
			}
			r.arrivals.full <- a // has room for all there are
			report()
		case <-r.done:
			return
		}
	}
}

// fill reads one batch into a, past the errors that say nothing about the call.
func (r *reader) fill(a *arrival) error {
	n, err := r.read(a)
	for unreachable(err) {
		n, err = r.read(a)
	}
	if err != nil {
		n = 0
	}
	at := clock.WallNow()
	a.packets, a.err = a.packets[:n], cause(err)
	for i := range a.packets {
		p := &a.packets[i]
		getPacket(p, &a.messages[i], r.size)
		p.At, p.Stamp = at, measurement.SourceUser
	}
	return err
}

// unreachable reports whether reading failed because an earlier packet could not arrive: Windows
// tells an ICMP message so, without saying which packet it was about.
func unreachable(err error) bool {
	switch cause(err) {
	case syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ENETUNREACH, syscall.EHOSTUNREACH:
		return true
	}
	return false
}

func (r *reader) read(a *arrival) (int, error) {
	if !r.single {
		n, err := r.batches.ReadBatch(a.messages, 0)
		if !notImplemented(err) {
			return n, err
		}
		r.single = true
	}
	return r.readOne(&a.messages[0])
}

// largest is longer than any datagram. Windows fails to read one that does not fit, and does not say
// where it came from.
const largest = 1 << 16

// readOne reads one datagram by the net package alone.
func (r *reader) readOne(m *ipv4.Message) (int, error) {
	if len(m.Buffers[0]) < largest {
		m.Buffers[0] = make([]byte, largest)
	}
	n, from, err := r.conn.ReadFromUDPAddrPort(m.Buffers[0])
	if err != nil {
		return 0, err
	}
	m.N, m.NN, m.Addr = n, 0, net.UDPAddrFromAddrPort(from)
	return 1, nil
}

// ended reports whether err says that the socket was closed here.
func ended(err error) bool { return errors.Is(err, net.ErrClosed) }
