package sender

import (
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// The age of a probe when its reply arrived decides whether it is lost, by the kernel's clock: not when
// housekeeping looks, and not when we get to read the reply.
func TestAgeOfTheReplyDecidesWhetherAProbeIsLost(t *testing.T) {
	tests := []struct {
		name       string
		transport  measurement.Transport
		answerLate bool
		measured   measurement.Metric
		lost       measurement.Metric
	}{
		{"udp, answered late", measurement.UDP, true, measurement.UDPRTT, measurement.UDPLoss},
		{"udp, read late", measurement.UDP, false, measurement.UDPRTT, measurement.UDPLoss},
		{"established tcp, answered late", measurement.TCP, true, measurement.TCPRTT, measurement.TCPLoss},
		{"established tcp, read late", measurement.TCP, false, measurement.TCPRTT, measurement.TCPLoss},
		{"tcp handshake, read late", measurement.TCPConnect, false, measurement.TCPLatency, measurement.TCPLoss},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newByHand(t)
			s := sessionTo(1, tt.transport, h.echo.address(tt.transport))
			s.Interval, s.Timeout = 10*time.Minute, 200*time.Millisecond
			h.add(s, 0)
			for tt.transport == measurement.TCP && !h.sessions[0].tcp.up {
				h.step()
			}
			h.cleaning = clock.Never
			h.nextSlot()
			if !tt.answerLate {
				h.echo.step()
			}
			<-time.After(s.Timeout)
			for deadline := clock.MonoNow().Add(h.patience); !h.Drained() && clock.MonoNow() < deadline; {
				h.step()
			}

			want := map[selfstats.Counter]uint64{selfstats.ProbesAnswered: 1, selfstats.ProbesLost: 0, selfstats.RepliesLate: 0}
			published := tt.measured
			if tt.answerLate {
				want = map[selfstats.Counter]uint64{selfstats.ProbesAnswered: 0, selfstats.ProbesLost: 1, selfstats.RepliesLate: 1}
				published = tt.lost
			}
			for c, n := range want {
				if got := h.counters.Get(c); got != n {
					t.Errorf("%v = %d, want %d", c, got, n)
				}
			}
			if n := h.published(published); n != 1 {
				t.Errorf("%d samples of %v, want 1", n, published)
			}
		})
	}
}
