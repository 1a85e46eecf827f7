package sender

import (
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// short is a poller of a system that is out of descriptors while refuse is set.
type short struct {
	loop.Poller
	refuse atomic.Bool
}

func (p *short) ListenUDP(local netip.AddrPort, o packetio.Options, t loop.Token) (packetio.Conn, packetio.Missing, error) {
	if p.refuse.Load() {
		return nil, nil, syscall.EMFILE
	}
	return p.Poller.ListenUDP(local, o, t)
}

func TestSessionWithoutSocketIsTriedAgain(t *testing.T) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) {
			var poller *short
			open := i.open
			i.open = func() (loop.Poller, error) {
				p, err := open()
				poller = &short{Poller: p}
				return poller, err
			}
			r := newRig(t, i)
			peer := newUDPPeer(t, anyPort)
			poller.refuse.Store(true)
			r.add(sessionTo(1, measurement.UDP, peer.addr()))
			r.add(sessionTo(2, measurement.UDP, peer.addr())) // needs a socket of its own

			if detail := r.event(measurement.EventSendFailed); detail != int64(syscall.EMFILE) {
				t.Errorf("send failed: %v, want %v", syscall.Errno(detail), syscall.EMFILE)
			}
			r.counted(selfstats.SkippedSendError, 3)
			poller.refuse.Store(false)
			first := peer.receive()
			for peer.receive().from == first.from {
			}
			r.event(measurement.EventSendWorks)
		})
	}
}
