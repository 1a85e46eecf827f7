package sender

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// What a probe costs from its slot to the ring, by its size: the sender, the kernel on both ways, and a
// target that does nothing else than answer.
func BenchmarkUDPCycle(b *testing.B) {
	for _, size := range []int{44, 1470} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			h := newByHand(b)
			h.probes(measurement.UDP, h.echo.address(measurement.UDP), size)
			b.ReportAllocs()
			for b.Loop() {
				h.probe()
				if n := h.published(measurement.UDPRTT); n != 1 {
					b.Fatalf("%d samples, want 1", n)
				}
			}
		})
	}
}

// The same by protocol, at one size. What STAMP has to write and read more, the HMACs above all, shows.
func BenchmarkProtocol(b *testing.B) {
	sessions := map[string]func(s *measurement.Session){
		"text":          func(s *measurement.Session) { s.Protocol = measurement.Text },
		"stamp":         func(s *measurement.Session) { s.Protocol = measurement.STAMP },
		"authenticated": func(s *measurement.Session) { s.Protocol, s.AuthKey = measurement.STAMP, []byte("secret") },
	}
	for name, change := range sessions {
		b.Run("protocol="+name, func(b *testing.B) {
			h := newByHand(b)
			s := sessionTo(1, measurement.UDP, h.echo.address(measurement.UDP))
			s.Size = 300
			change(&s)
			h.authenticate(s.AuthKey)
			h.probesOf(s)
			b.ReportAllocs()
			for b.Loop() {
				h.probe()
				if n := h.published(measurement.UDPRTT); n != 1 {
					b.Fatalf("%d samples, want 1", n)
				}
			}
		})
	}
}

// What it costs to write T1 into a packet, for each packet of a batch between the reading of the clock
// and the system call.
func BenchmarkStampPacket(b *testing.B) {
	for name, key := range map[string][]byte{"open": nil, "authenticated": []byte("secret")} {
		for _, size := range []int{0, 1470} {
			b.Run(fmt.Sprintf("mode=%s/size=%d", name, size), func(b *testing.B) {
				s := &Sender{host: newHostClock(clock.ReadError)}
				w := newStamper(&measurement.Session{
					Source: "prober", Size: size, AuthKey: key, Interval: time.Second, Timeout: time.Second,
					Remote: netip.AddrPortFrom(loopback, stamp.Port),
				})
				w.beginAt(0)
				b.ReportAllocs()
				for b.Loop() {
					s.stampPacket(w, w.packets[identified].data, clock.Wall(time.Second))
				}
			})
		}
	}
}
