package reflector

import (
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

const testKey = "a key for tests, of 32 octets..."

// stampProbe is a session-sender packet to be made.
type stampProbe struct {
	seq    uint32
	ssid   uint16
	t1     clock.Wall // 0 = now
	format stamp.Format
	key    string // authenticated mode
	tlvs   []byte // with a key, an HMAC TLV comes behind them
	size   int    // octets, by zeros; 0 = as it is
}

// testEstimate is the error that test probes state: 1 ms.
func testEstimate(f stamp.Format) stamp.ErrorEstimate {
	return stamp.NewErrorEstimate(time.Millisecond, f) | stamp.SyncBit
}

func (q *stampProbe) codec(t testing.TB) *stamp.Codec {
	t.Helper()
	mode := stamp.Unauthenticated
	if q.key != "" {
		mode = stamp.Authenticated
	}
	codec, err := stamp.NewCodec(mode, []byte(q.key))
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

func stampPacket(t testing.TB, q stampProbe) []byte {
	t.Helper()
	if q.t1 == 0 {
		q.t1 = clock.WallNow()
	}
	codec := q.codec(t)
	b := append(codec.AppendSender(nil, q.ssid), q.tlvs...)
	if q.key != "" && len(q.tlvs) > 0 {
		b = stamp.AppendHMAC(b)
	}
	if q.size > len(b) {
		b = append(b, make([]byte, q.size-len(b))...)
	}
	if err := codec.StampSender(b, q.seq, q.format.Timestamp(int64(q.t1), 0), testEstimate(q.format)); err != nil {
		t.Fatal(err)
	}
	if q.size > 0 {
		b = b[:q.size]
	}
	return b
}

// identityTLV is a Session Identity.
func identityTLV(t testing.TB, name string, tags ...string) []byte {
	t.Helper()
	b, err := stamp.AppendSessionIdentity(nil, name, tags...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// allTLVs is one of each that is answered.
func allTLVs(t testing.TB) []byte {
	t.Helper()
	b := stamp.AppendLocation(nil, stamp.AskSourceIP, stamp.AskDestinationIP)
	b = stamp.AppendTimestampInformation(b)
	b = stamp.AppendClassOfService(b, 46)
	b = stamp.AppendDirectMeasurement(b)
	b = stamp.AppendFollowUpTelemetry(b)
	return append(b, identityTLV(t, "prober", "isp:local")...)
}

// askStamp sends a probe and waits for its reply.
func (c *client) askStamp(q stampProbe) (stamp.ReflectorPacket, []byte) {
	c.Helper()
	c.send(stampPacket(c, q))
	return c.receiveStamp(q)
}

func (c *client) receiveStamp(q stampProbe) (stamp.ReflectorPacket, []byte) {
	c.Helper()
	octets := c.receive()
	p, err := q.codec(c).DecodeReflector(octets)
	if err != nil || p.SenderSeq != q.seq {
		c.Fatalf("reply % x: %+v, %v, want one to number %d", octets, p, err, q.seq)
	}
	return p, octets
}

// fakeFlow is a Reflector on fake sockets with what one prober sends to it.
type fakeFlow struct {
	testing.TB
	*Reflector
	conn     *fakeConn
	counters *selfstats.Block
}

func newFakeFlow(t testing.TB, options Stamp) *fakeFlow {
	t.Helper()
	r, network, counters := newFakeWith(t, options)
	return &fakeFlow{TB: t, Reflector: r, conn: &network.conn, counters: counters}
}

// give has datagrams arrive in one batch and returns the replies.
func (f *fakeFlow) give(packets ...packetio.Packet) []packetio.Packet {
	f.Helper()
	for i := range packets {
		p := &packets[i]
		if !p.Remote.IsValid() {
			p.Remote = fakeRemote
		}
		if p.At == 0 {
			p.At = t2
		}
		p.Local, p.Stamp = fakeLocal, measurement.SourceKernel
	}
	f.conn.sent, f.conn.replies, f.conn.incoming = nil, nil, packets
	f.Ready(loop.Ready{Token: token(udpSocket, 0, 0), Read: true, Notice: len(f.conn.notices) > 0}, readBatch)
	return f.conn.sent
}

// giveProbe has one probe arrive, sent at t2 unless it says when, and returns the reply.
func (f *fakeFlow) giveProbe(q stampProbe) (p stamp.ReflectorPacket, reply packetio.Packet) {
	f.Helper()
	if q.t1 == 0 {
		q.t1 = t2
	}
	replies := f.give(packetio.Packet{Data: stampPacket(f, q), TTL: 250, TOS: 46<<2 | 1})
	if len(replies) != 1 {
		f.Fatalf("%d replies to %+v, want 1", len(replies), q)
	}
	p, err := q.codec(f).DecodeReflector(replies[0].Data)
	if err != nil || p.SenderSeq != q.seq {
		f.Fatalf("reply % x: %+v, %v, want one to number %d", replies[0].Data, p, err, q.seq)
	}
	return p, replies[0]
}

func (f *fakeFlow) counts(c selfstats.Counter, n uint64) {
	f.Helper()
	if got := f.counters.Get(c); got != n {
		f.Errorf("%s = %d, want %d", c, got, n)
	}
}

// samples takes what is on the ring.
func (f *fakeFlow) samples() []measurement.Sample {
	all := make([]measurement.Sample, 1<<12)
	return all[:f.config.Ring.Pop(all)]
}
