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

// nowhere is an address that Linux refuses to send to, with EINVAL (udp_sendmsg in net/ipv4/udp.c).
var nowhere = netip.MustParseAddrPort("127.0.0.1:0")

func TestPortUnreachableLosesProbesAtOnceAndIsToldOnce(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			r := newRig(t, epoll)
			remote := closedUDPPort(t, netip.MustParseAddr(ip))
			s := sessionTo(1, measurement.UDP, remote)
			s.Timeout = time.Hour
			r.add(s)
			for i := range uint64(5) {
				if got := r.metric(measurement.UDPLoss); got.Seq != i {
					r.Errorf("loss of seq %d, want %d", got.Seq, i)
				}
			}
			if detail := r.event(measurement.EventUnreachable); syscall.Errno(detail) != syscall.ECONNREFUSED {
				r.Errorf("unreachable: %v, want %v", syscall.Errno(detail), syscall.ECONNREFUSED)
			}
			go newUDPPeer(t, remote).answerAll()
			r.metric(measurement.UDPRTT)
			r.event(measurement.EventAnswering)
			r.drain()
			r.balanced()
			r.noMoreEvents(measurement.EventUnreachable)
			r.noMoreEvents(measurement.EventSilent)
		})
	}
}

func TestRefusedSendIsCountedAndToldOnce(t *testing.T) {
	each(t, func(r *rig) {
		r.add(sessionTo(1, measurement.UDP, nowhere))
		r.counted(selfstats.SkippedSendError, 5)
		if detail := r.event(measurement.EventSendFailed); syscall.Errno(detail) != syscall.EINVAL {
			r.Errorf("send failed: %v, want %v", syscall.Errno(detail), syscall.EINVAL)
		}
		r.drain()
		r.noMoreEvents(measurement.EventSendFailed)
		r.noMoreMetrics()
		r.counts(selfstats.SlotsSent, 0)
	})
}

func TestRefusedSendDoesNotTakeOthersOfTheBatchWithIt(t *testing.T) {
	const targets, failing = 40, 17
	each(t, func(r *rig) {
		peer := newUDPPeer(t, netip.MustParseAddrPort("0.0.0.0:0"))
		s := once(sessionTo(0, measurement.UDP, netip.AddrPort{}), waittest.Patience()/50)
		for i := range targets {
			s.ID = measurement.SessionID(i)
			s.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}), peer.addr().Port())
			if i == failing {
				s.Remote = nowhere
			}
			r.add(s)
		}
		for range targets - 1 {
			peer.receive()
		}
		r.counted(selfstats.SlotsSent, targets-1)
		r.counted(selfstats.SkippedSendError, 1)
		r.counts(selfstats.SlotsSent, targets-1)
		r.counts(selfstats.SkippedSendError, 1)
	})
}

func TestProbesThatAreDueTogetherAreAllMeasured(t *testing.T) {
	const targets = 40
	each(t, func(r *rig) {
		s := once(sessionTo(0, measurement.UDP, netip.AddrPort{}), waittest.Patience()/50)
		for i := range targets {
			peer := newUDPPeer(t, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 2, byte(i + 1)}), 0))
			go peer.answerAll()
			s.ID, s.Remote = measurement.SessionID(i), peer.addr()
			r.add(s)
		}
		seen := map[measurement.SessionID]bool{}
		for range targets {
			got := r.metric(measurement.UDPRTT)
			if seen[got.Session] || got.Sent != r.sent {
				r.Errorf("sample %+v, want one of each session, sent stamped by %v", got, r.sent)
			}
			seen[got.Session] = true
		}
		r.noMoreMetrics()
		r.counts(selfstats.TxTimestampsMissing, 0)
	})
}
