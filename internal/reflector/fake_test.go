package reflector

import (
	"io"
	"net/netip"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// fakeNetwork has one socket of each kind, in memory, for what real sockets are too slow for.
type fakeNetwork struct {
	conn   fakeConn
	stream *fakeStream // waits to be accepted
}

func (f *fakeNetwork) ListenUDP(_ netip.AddrPort, o packetio.Options, _ loop.Token) (packetio.Conn, packetio.Missing, error) {
	f.conn.stamp = o.Stamp
	return &f.conn, nil, nil
}

func (f *fakeNetwork) ListenTCP(netip.AddrPort, loop.Token) (packetio.Listener, error) {
	return fakeListener{}, nil
}

func (f *fakeNetwork) Accept(_ packetio.Listener, t loop.Token) (packetio.Stream, error) {
	s := f.stream
	if s == nil {
		return nil, packetio.ErrWouldBlock
	}
	f.stream, s.token = nil, t
	return s, nil
}

func (f *fakeNetwork) Dial(netip.AddrPort, packetio.Marking, loop.Token) (packetio.Stream, error) {
	panic("a reflector does not dial")
}

func (f *fakeNetwork) Canonical(addr netip.AddrPort) netip.AddrPort { return addr }

// fakeConn receives one datagram and keeps the replies.
type fakeConn struct {
	stamp    func()
	incoming []packetio.Packet
	replies  []string
	sent     []packetio.Packet // the same, with all that belongs to them
	batches  []int             // how many were sent at once
	notices  []packetio.Notice
	ids      uint32
	port     uint16
}

func (c *fakeConn) ReadBatch(packets []packetio.Packet) (int, error) {
	n := copy(packets, c.incoming)
	c.incoming = c.incoming[n:]
	return n, nil
}

func (c *fakeConn) WriteBatch(packets []packetio.Packet) (int, error) {
	c.stamp()
	c.batches = append(c.batches, len(packets))
	for i := range packets {
		p := packets[i]
		c.replies = append(c.replies, string(p.Data))
		p.Data = []byte(c.replies[len(c.replies)-1])
		if p.Notify {
			packets[i].ID, p.ID = c.ids, c.ids
			c.ids++
		}
		c.sent = append(c.sent, p)
	}
	return len(packets), nil
}

func (c *fakeConn) ReadNotices(notices []packetio.Notice) (int, error) {
	n := copy(notices, c.notices)
	c.notices = c.notices[n:]
	return n, nil
}

func (c *fakeConn) Overflow() uint64          { return 0 }
func (c *fakeConn) LocalAddr() netip.AddrPort { return netip.AddrPortFrom(fakeLocal, c.port) }
func (c *fakeConn) Close() error              { return nil }

type fakeListener struct{}

func (fakeListener) LocalAddr() netip.AddrPort { return netip.AddrPort{} }
func (fakeListener) Close() error              { return nil }

// fakeStream receives chunks, one a read, then its end. It takes room octets of replies.
type fakeStream struct {
	token   loop.Token
	chunks  [][]byte
	room    int
	replies []byte
	closed  int
	waits   bool
}

func (s *fakeStream) Handshake() (packetio.Handshake, error) { return packetio.Handshake{}, nil }

func (s *fakeStream) Read(p []byte) (int, clock.Wall, measurement.TimestampSource, error) {
	if s.closed > 0 {
		panic("read after close")
	}
	if len(p) == 0 {
		panic("nothing to read into")
	}
	for len(s.chunks) > 0 && len(s.chunks[0]) == 0 {
		s.chunks = s.chunks[1:]
	}
	if len(s.chunks) == 0 {
		return 0, 0, 0, io.EOF
	}
	n := copy(p, s.chunks[0])
	s.chunks[0] = s.chunks[0][n:]
	return n, t2, measurement.SourceKernel, nil
}

func (s *fakeStream) Write(p []byte) (int, error) {
	if s.closed > 0 {
		panic("write after close")
	}
	n := min(len(p), s.room)
	if n == 0 {
		return 0, packetio.ErrWouldBlock
	}
	s.room -= n
	s.replies = append(s.replies, p[:n]...)
	return n, nil
}

func (s *fakeStream) WantWrite(want bool)    { s.waits = want }
func (s *fakeStream) Remote() netip.AddrPort { return fakeRemote }
func (s *fakeStream) Close()                 { s.closed++ }
func (s *fakeStream) Reset()                 { s.closed++ }

// t2 is when everything arrives on fake sockets.
const t2 = clock.Wall(1_768_219_134_587_069_267)

var (
	fakeRemote = netip.MustParseAddrPort("192.0.2.1:1234")
	fakeLocal  = netip.MustParseAddr("198.51.100.1")
)

// newFake makes a Reflector on fake sockets.
func newFake(t *testing.T) (*Reflector, *fakeNetwork, *selfstats.Block) {
	t.Helper()
	return newFakeWith(t, Stamp{})
}

// newFakeWith is newFake with something to say about STAMP.
func newFakeWith(t testing.TB, options Stamp) (*Reflector, *fakeNetwork, *selfstats.Block) {
	t.Helper()
	network, counters := &fakeNetwork{conn: fakeConn{port: 8000}}, new(selfstats.Block)
	c := testConfig(loopback)
	c.MaxSessions, c.Counters, c.Stamp = 4, counters, options
	var err error
	if c.Ring, err = ring.New(1 << 12); err != nil {
		t.Fatal(err)
	}
	r, _, err := New(network, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, network, counters
}
