package packetio

import (
	"net/netip"
	"testing"
)

// What do the TOS and TTL of packets cost: set on what is sent, told of what is received? A round is a
// batch that is sent to the socket itself and read.
func BenchmarkMarks(b *testing.B) {
	benchmarks := []struct {
		name    string
		options Options
		packet  Packet
	}{
		{"none", Options{}, Packet{}},
		{"told", Options{Marks: true}, Packet{}},
		{"set", Options{}, Packet{TOS: 184, TTL: 255}},
		{"set and told", Options{Marks: true}, Packet{TOS: 184, TTL: 255}},
		{"some stamped, this not", Options{Transmit: true}, Packet{}},
		{"some stamped, this too", Options{Transmit: true}, Packet{Notify: true}},
	}
	for _, bm := range benchmarks {
		for _, ip := range []string{"127.0.0.1", "::1"} {
			b.Run(bm.name+"/"+ip, func(b *testing.B) {
				const batch = 16
				bm.options.MaxSize, bm.options.Batch = 1470, batch
				conn, _, err := ListenUDP(netip.AddrPortFrom(netip.MustParseAddr(ip), 0), bm.options)
				if err != nil {
					b.Skip(err)
				}
				defer func() { _ = conn.Close() }()
				out, in, notices := make([]Packet, batch), make([]Packet, batch), make([]Notice, batch)
				for i := range out {
					out[i] = bm.packet
					out[i].Data, out[i].Remote, out[i].Local = make([]byte, 100), conn.LocalAddr(), conn.LocalAddr().Addr()
				}
				b.ReportAllocs()
				for b.Loop() {
					if n, err := conn.WriteBatch(out); n != batch || err != nil {
						b.Fatalf("WriteBatch = %d, %v", n, err)
					}
					if n, err := conn.ReadBatch(in); n != batch || err != nil {
						b.Fatalf("ReadBatch = %d, %v", n, err)
					}
					if _, err := conn.ReadNotices(notices); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/packet")
			})
		}
	}
}
