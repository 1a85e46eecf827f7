package sender

import (
	"net/netip"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// many is how many probes are one run: AllocsPerRun rounds down, and so would not see what happens
// with every other probe.
const many = 200

// A probe's whole way must not allocate: from its slot over the sockets of both ends to the ring.
func TestProbesDoNotAllocate(t *testing.T) {
	answered := func(transport measurement.Transport) func(h *byHand) netip.AddrPort {
		return func(h *byHand) netip.AddrPort { return h.echo.address(transport) }
	}
	tests := []struct {
		name      string
		transport measurement.Transport
		target    func(h *byHand) netip.AddrPort
		want      measurement.Metric
	}{
		{"udp", measurement.UDP, answered(measurement.UDP), measurement.UDPRTT},
		{"established tcp", measurement.TCP, answered(measurement.TCP), measurement.TCPRTT},
		{"tcp handshake", measurement.TCPConnect, answered(measurement.TCPConnect), measurement.TCPLatency},
		{"udp to a closed port", measurement.UDP, func(*byHand) netip.AddrPort {
			return closedUDPPort(t, loopback)
		}, measurement.UDPLoss},
		{"tcp handshake with a closed port", measurement.TCPConnect, func(*byHand) netip.AddrPort {
			return closedTCPPort(t, loopback)
		}, measurement.TCPLoss},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newByHand(t)
			h.probes(tt.transport, tt.target(h), 64)
			probes, published := 0, 0
			allocs := testing.AllocsPerRun(5, func() {
				for range many {
					h.probe()
					probes++
					published += h.published(tt.want)
				}
			})
			if allocs != 0 {
				t.Errorf("%d probes allocate %v times, want 0", many, allocs)
			}
			if published != probes {
				t.Errorf("%d probes published %d samples of %v, want one each", probes, published, tt.want)
			}
		})
	}
}

// Nor must what STAMP adds: TLVs, HMACs, one-way delays, and losses by direction.
func TestStampProbesDoNotAllocate(t *testing.T) {
	tests := map[string]func(s *measurement.Session){
		"base packet":   func(s *measurement.Session) { s.Size = 0 },
		"padded":        func(s *measurement.Session) { s.Size = 1400 },
		"authenticated": func(s *measurement.Session) { s.AuthKey = []byte("secret") },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			h := newByHand(t)
			s := sessionTo(1, measurement.UDP, h.echo.address(measurement.UDP))
			s.Protocol, s.OWD = measurement.STAMP, measurement.OWDAlways
			change(&s)
			h.authenticate(s.AuthKey)
			h.probesOf(s)
			published := 0
			allocs := testing.AllocsPerRun(5, func() {
				for range many {
					h.probe()
					published += h.published(measurement.UDPOWDBackward)
				}
			})
			if allocs != 0 || published != 6*many {
				t.Errorf("%d probes allocate %v times with %d samples, want 0 with %d", many, allocs, published, 6*many)
			}
		})
	}
}

func TestStampLossesDoNotAllocate(t *testing.T) {
	l := newLossy(t, func(*measurement.Session, *stampPeer) {})
	w, now, told := l.session.stamp, clock.MonoNow(), 0
	w.counting = counting{state: counts}
	number := uint32(0)
	allocs := testing.AllocsPerRun(5, func() {
		for range many {
			for i := range 4 {
				seq, _ := w.table.Next()
				w.table.Add(now, clock.Wall(now), 0)
				if i == 0 {
					w.directions.Answered(seq, number)
					number++
				}
			}
			now = now.Add(time.Hour)
			l.clean(now)
			told += l.published(measurement.UDPLossForward)
		}
	})
	if allocs != 0 || told < many {
		t.Errorf("%d losses allocate %v times with %d told, want 0", many, allocs, told)
	}
}

// A firewall of this host may refuse every probe.
func TestRefusedProbesDoNotAllocate(t *testing.T) {
	h := newByHand(t)
	h.probes(measurement.UDP, nowhere, 64)
	allocs := testing.AllocsPerRun(5, func() {
		for range many {
			h.probe()
		}
	})
	if refused := h.counters.Get(selfstats.SkippedSendError); allocs != 0 || refused < many {
		t.Errorf("%d probes allocate %v times with %d refused, want 0 with all refused", many, allocs, refused)
	}
}

func TestUnansweredProbesDoNotAllocate(t *testing.T) {
	h := newByHand(t)
	s := sessionTo(1, measurement.UDP, newUDPPeer(t, anyPort).addr())
	s.Timeout = 5 * time.Millisecond
	h.add(s, 0)
	lost := 0
	allocs := testing.AllocsPerRun(5, func() {
		for range many {
			h.nextSlot()
			h.step()
			lost += h.published(measurement.UDPLoss)
		}
	})
	if allocs != 0 || lost < many {
		t.Errorf("%d probes allocate %v times with %d lost, want 0 with most lost", many, allocs, lost)
	}
}
