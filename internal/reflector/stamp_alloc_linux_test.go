package reflector

import (
	"net/netip"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

func TestStampProbesDoNotAllocate(t *testing.T) {
	c := testConfig(loopback)
	c.MaxSessions = 1
	c.Stamp = Stamp{Keys: [][]byte{[]byte("old key"), []byte(testKey)}, RateLimit: 1_000_000, Allow: everybody}
	short, onlyAuthentic := c, c
	short.Stamp.Allow = nil
	onlyAuthentic.Stamp.RequireAuth = true
	limited, elsewhere, stateless := c, c, c
	limited.Stamp.RateLimit = 1
	elsewhere.Stamp.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	stateless.Stamp.Stateless = true
	forged := stampPacket(t, stampProbe{key: "forged"})
	zero := stampPacket(t, stampProbe{})
	zero[13] = 0
	names := [2][]byte{identityTLV(t, "one", "it's", "\x00"), identityTLV(t, "two")}
	tests := []struct {
		name   string
		config Config
		make   func(seq uint32) []byte
		want   selfstats.Counter
	}{
		{"plain", c, func(seq uint32) []byte { return stampPacket(t, stampProbe{seq: seq}) }, selfstats.ProbesReflected},
		{"short", c, func(seq uint32) []byte { return stampPacket(t, stampProbe{seq: seq, size: 14}) }, selfstats.ProbesReflected},
		{"all TLVs", c, func(seq uint32) []byte { return stampPacket(t, stampProbe{seq: seq, tlvs: allTLVs(t)}) }, selfstats.ProbesReflected},
		{"authenticated", c, func(seq uint32) []byte { return stampPacket(t, stampProbe{seq: seq, key: testKey, tlvs: allTLVs(t)}) }, selfstats.ProbesReflected},
		{"stateless", stateless, func(seq uint32) []byte { return stampPacket(t, stampProbe{seq: seq, tlvs: allTLVs(t)}) }, selfstats.ProbesReflected},
		{"gaps", c, func(seq uint32) []byte { return stampPacket(t, stampProbe{seq: seq/2*500 + seq%2}) }, selfstats.ProbesReflected},
		{"restarts", c, func(seq uint32) []byte { return stampPacket(t, stampProbe{seq: seq % 5}) }, selfstats.ProbesReflected},
		{"new names", c, func(seq uint32) []byte { return stampPacket(t, stampProbe{seq: seq, tlvs: names[seq%2]}) }, selfstats.ProbesReflected},
		{"forged", c, func(uint32) []byte { return forged }, selfstats.ProbesForged},
		{"multiplier 0", c, func(uint32) []byte { return zero }, selfstats.ProbesBadEstimate},
		{"short from anywhere", short, func(uint32) []byte { return zero[:14:14] }, selfstats.ProbesBadEstimate},
		{"not authentic", onlyAuthentic, func(seq uint32) []byte { return stampPacket(t, stampProbe{seq: seq}) }, selfstats.ProbesUnauthenticated},
		{"rate limited", limited, func(seq uint32) []byte { return forged }, selfstats.ProbesRateLimited},
		{"not allowed", elsewhere, func(seq uint32) []byte { return forged }, selfstats.ProbesNotAllowed},
		{"replies", c, func(uint32) []byte {
			reply := make([]byte, 44)
			q, _ := new(stamp.Codec).DecodeSender(stampPacket(t, stampProbe{}))
			at := stamp.NTP.Timestamp(int64(clock.WallNow()), 0)
			_, _ = new(stamp.Codec).Reflect(reply, &q, &stamp.Reflection{T2: at, ErrorEstimate: 1})
			_ = new(stamp.Codec).StampReflector(reply, at)
			return reply
		}, selfstats.ProbesLooped},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, epoll, tt.config)
			client := r.client()
			const runs = 200
			var packets [runs + 2][]byte
			for i := range packets {
				packets[i] = tt.make(uint32(i))
			}
			next, buf := 0, make([]byte, 1<<16)
			var batch [64]measurement.Sample
			run := func() {
				client.send(packets[next])
				next++
				seen := r.counters.Get(tt.want)
				for tries := 0; r.counters.Get(tt.want) == seen && (tt.want != selfstats.ProbesRateLimited || tries < 3); tries++ {
					r.once()
				}
				if tt.want == selfstats.ProbesReflected {
					if _, err := client.conn.Read(buf); err != nil {
						t.Fatal(err)
					}
				}
				r.ring.Pop(batch[:])
				r.sessions.visit(func(x *session) { x.renamed = 0 })
			}
			run() // opens the session
			if allocs := testing.AllocsPerRun(runs, run); allocs != 0 {
				t.Errorf("%v allocations per packet, want 0", allocs)
			}
		})
	}
}

// Sessions that come and go use the same memory.
func TestStampSessionsDoNotAllocateAgain(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	packet := stampPacket(t, stampProbe{t1: t2, tlvs: identityTLV(t, "prober", "tag")})
	incoming := []packetio.Packet{{Data: packet, Remote: fakeRemote, Local: fakeLocal, At: t2}}
	var batch [64]measurement.Sample
	port := uint16(1)
	allocs := testing.AllocsPerRun(1000, func() {
		port++
		incoming[0].Remote = netip.AddrPortFrom(fakeRemote.Addr(), port)
		f.packets[0] = incoming[0]
		s := f.sockets[0]
		s.replies = s.replies[:0]
		f.reflect(s, 0, &f.packets[0], clock.MonoNow())
		f.publishArrived()
		f.sessions.visit(func(x *session) { f.end(x) })
		f.config.Ring.Pop(batch[:])
	})
	if allocs > 0.01 { // the map of sessions may tidy up now and then
		t.Errorf("%v allocations per session, want 0", allocs)
	}
}

// What a probe costs between the system calls.
func BenchmarkReflect(b *testing.B) {
	text := probe(1)
	text.padding = "00000000000000000000"
	for _, bb := range []struct {
		name string
		make func(seq uint32) []byte
	}{
		{"text", func(seq uint32) []byte { q := text; q.seq = int(seq % 101); return q.bytes() }},
		{"stamp", func(seq uint32) []byte {
			return stampPacket(b, stampProbe{seq: seq, t1: t2 + clock.Wall(seq), size: 80})
		}},
		{"stamp with identity", func(seq uint32) []byte {
			return stampPacket(b, stampProbe{seq: seq, t1: t2 + clock.Wall(seq), tlvs: identityTLV(b, "prober", "isp:local")})
		}},
		{"stamp with all TLVs", func(seq uint32) []byte {
			return stampPacket(b, stampProbe{seq: seq, t1: t2 + clock.Wall(seq), tlvs: allTLVs(b)})
		}},
		{"authenticated", func(seq uint32) []byte {
			return stampPacket(b, stampProbe{seq: seq, key: testKey, t1: t2 + clock.Wall(seq)})
		}},
		{"authenticated with all TLVs", func(seq uint32) []byte {
			return stampPacket(b, stampProbe{seq: seq, key: testKey, t1: t2 + clock.Wall(seq), tlvs: allTLVs(b)})
		}},
		{"forged, two keys", func(uint32) []byte { return stampPacket(b, stampProbe{key: "forged", t1: t2}) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			f := newFakeFlow(b, Stamp{Keys: [][]byte{[]byte("old key"), []byte(testKey)}, RateLimit: 1 << 30})
			const ahead = 101 * 512
			packets := make([][]byte, ahead)
			for i := range packets {
				packets[i] = bb.make(uint32(i))
			}
			var samples [64]measurement.Sample
			s, n := f.sockets[0], 0
			b.ReportAllocs()
			for b.Loop() {
				if n == ahead {
					b.StopTimer()
					n = 0
					f.sessions.visit(func(x *session) { f.end(x) })
					b.StartTimer()
				}
				p := packetio.Packet{Data: packets[n], Remote: fakeRemote, Local: fakeLocal, At: t2, TTL: 64}
				s.replies = s.replies[:0]
				f.reflect(s, 0, &p, clock.MonoNow())
				s.first, s.end = 0, len(s.replies)
				f.complete(s)
				f.publishArrived()
				f.config.Ring.Pop(samples[:])
				n++
			}
		})
	}
}
