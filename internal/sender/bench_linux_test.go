package sender

import (
	"fmt"
	"testing"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
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
