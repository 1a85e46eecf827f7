package sender

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestConnectProbeGivesLatency(t *testing.T) {
	eachFamily(t, func(r *rig, ip netip.Addr) {
		peer := newTCPPeer(t, netip.AddrPortFrom(ip, 0))
		r.add(sessionTo(7, measurement.TCPConnect, peer.addr()))
		seen := map[uint64]bool{} // a handshake may take longer than the next one
		for range 5 {
			conn := peer.accept()
			got := r.metric(measurement.TCPLatency)
			if got.Session != 7 || seen[got.Seq] || got.Value <= 0 || got.Value > int64(waittest.Patience()) {
				r.Errorf("sample %+v, want a latency of another seq than %v of session 7", got, seen)
			}
			seen[got.Seq] = true
			if got.Sent != r.received || got.Received != r.received {
				r.Errorf("sources %v and %v, want %v", got.Sent, got.Received, r.received)
			}
			_ = conn.SetReadDeadline(time.Now().Add(waittest.Patience()))
			if _, err := conn.Read(make([]byte, 1)); err == nil {
				r.Error("the connection is still there")
			}
		}
		r.event(measurement.EventAnswering)
		r.drain()
		r.balanced()
	})
}

func TestConnectProbeThatIsRefusedIsLost(t *testing.T) {
	each(t, func(r *rig) {
		remote := closedTCPPort(t, loopback)
		s := sessionTo(1, measurement.TCPConnect, remote)
		s.Timeout = time.Hour
		r.add(s)
		if detail := r.event(measurement.EventUnreachable); syscall.Errno(detail) != syscall.ECONNREFUSED {
			r.Errorf("unreachable: %v, want %v", syscall.Errno(detail), syscall.ECONNREFUSED)
		}
		for i := range uint64(5) {
			if got := r.metric(measurement.TCPLoss); got.Seq != i || got.Value != 1 {
				r.Errorf("loss %+v, want 1 of seq %d", got, i)
			}
		}
		newTCPPeer(t, remote)
		r.metric(measurement.TCPLatency)
		r.event(measurement.EventAnswering)
		r.drain()
		r.balanced()
		r.noMoreEvents(measurement.EventUnreachable)
		r.noMoreEvents(measurement.EventSilent)
		r.counts(selfstats.SkippedSendError, 0)
	})
}

func TestConnectSessionsAreReplacedUnderTraffic(t *testing.T) {
	each(t, func(r *rig) {
		peer := newTCPPeer(t, anyPort)
		go func() {
			for {
				conn, err := peer.listener.AcceptTCP()
				if err != nil {
					return
				}
				_ = conn.Close()
			}
		}()
		s := sessionTo(1, measurement.TCPConnect, peer.addr())
		s.Interval, s.Timeout = time.Millisecond, time.Second
		for i := range uint64(20) {
			r.add(s)
			r.counted(selfstats.ProbesAnswered, 5*(i+1))
		}
		r.drain()
		r.balanced()
	})
}
