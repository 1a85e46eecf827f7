package reflector

import (
	"net/netip"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// Of a whole batch it is known when the last reply left, at once.
func TestNoticesOfAWholeBatchAreRead(t *testing.T) {
	r := newBurst(t, stampProbe{tlvs: stamp.AppendFollowUpTelemetry(nil)})
	for range 10 {
		r.round()
		r.sessions.visit(func(x *session) {
			if x.flow.left != r.seq-1 {
				t.Errorf("reply %d is the last of which it is known, want %d", x.flow.left, r.seq-1)
			}
		})
	}
}

// What does a full batch of probes cost, system calls included, and by how much is the T3 of its last reply
// ahead of the kernel's transmit timestamp?
func BenchmarkBurst(b *testing.B) {
	for _, bb := range []struct {
		name string
		q    stampProbe
	}{
		{"stamp", stampProbe{tlvs: stamp.AppendFollowUpTelemetry(nil)}},
		{"authenticated", stampProbe{key: testKey, tlvs: stamp.AppendFollowUpTelemetry(nil)}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			r := newBurst(b, bb.q)
			b.ReportAllocs()
			for b.Loop() {
				r.round()
			}
			b.ReportMetric(float64(r.busy)/float64(b.N)/readBatch, "ns/probe")
			b.ReportMetric(float64(r.ahead)/float64(b.N), "T3-ahead-ns")
		})
	}
}

// burst is a Reflector on the loopback interface with a prober that sends a batch at a time.
type burst struct {
	testing.TB
	*Reflector
	conn        packetio.Conn
	codec       *stamp.Codec
	out, in     []packetio.Packet
	samples     []measurement.Sample
	seq         uint32
	busy, ahead int64 // nanoseconds
}

func newBurst(tb testing.TB, q stampProbe) *burst {
	tb.Helper()
	poller, err := epoll.open()
	if err != nil {
		tb.Fatal(err)
	}
	c := testConfig(loopback)
	c.Counters, c.Stamp.Keys = new(selfstats.Block), [][]byte{[]byte(testKey)}
	if c.Ring, err = ring.New(1 << 12); err != nil {
		tb.Fatal(err)
	}
	reflector, _, err := New(poller, c)
	if err != nil {
		tb.Fatal(err)
	}
	conn, _, err := packetio.ListenUDP(netip.AddrPortFrom(loopback, 0), packetio.Options{MaxSize: 1470, Batch: readBatch})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = conn.Close()
		reflector.Close()
		_ = poller.Close()
	})
	r := &burst{
		TB: tb, Reflector: reflector, conn: conn, codec: q.codec(tb), out: make([]packetio.Packet, readBatch),
		in: make([]packetio.Packet, readBatch), samples: make([]measurement.Sample, 1<<12),
	}
	for i := range r.out {
		r.out[i] = packetio.Packet{Data: stampPacket(tb, q), Remote: reflector.sockets[0].conn.LocalAddr()}
	}
	return r
}

// round has a batch answered.
func (r *burst) round() {
	for i := range r.out {
		t1 := stamp.NTP.Timestamp(int64(clock.WallNow()), 0)
		_ = r.codec.StampSender(r.out[i].Data, r.seq, t1, testEstimate(stamp.NTP)) // it was stamped before
		r.seq++
	}
	if n, err := r.conn.WriteBatch(r.out); n != readBatch || err != nil {
		r.Fatalf("%d probes sent, %v", n, err)
	}
	reflected := r.config.Counters.Get(selfstats.ProbesReflected)
	for done := uint64(0); done < readBatch; done = r.config.Counters.Get(selfstats.ProbesReflected) - reflected {
		before := clock.MonoNow()
		r.Ready(loop.Ready{Token: token(udpSocket, 0, 0), Read: true}, readBatch)
		r.busy += int64(clock.MonoNow().Sub(before))
	}
	r.readNotices(r.sockets[0])
	r.config.Ring.Pop(r.samples)
	var last packetio.Packet
	for read := 0; read < readBatch; {
		n, err := r.conn.ReadBatch(r.in)
		if err != nil {
			r.Fatal(err)
		}
		if read += n; n > 0 {
			last = r.in[n-1]
		}
	}
	p, err := r.codec.DecodeReflector(last.Data)
	if err != nil {
		r.Fatal(err)
	}
	t3, err := stamp.NTP.UnixNanos(p.T3, int64(clock.WallNow()), 0)
	if err != nil {
		r.Fatal(err)
	}
	r.sessions.visit(func(x *session) { r.ahead += int64(x.flow.leftAt) - t3 })
}
