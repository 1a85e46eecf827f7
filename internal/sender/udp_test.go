package sender

import (
	"net/netip"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestUDPReplyGivesRTT(t *testing.T) {
	eachFamily(t, func(r *rig, ip netip.Addr) {
		peer := newUDPPeer(t, netip.AddrPortFrom(ip, 0))
		before := int64(clock.WallNow())
		r.addOnce(sessionTo(7, measurement.UDP, peer.addr()))
		m := peer.receive()
		t2 := peer.answer(m)
		r.event(measurement.EventAnswering)
		got := r.metric(measurement.UDPRTT)
		after := int64(clock.WallNow())

		if want := "0|prober|"; m.Seq != 0 || string(m.Name) != "prober" || string(m.Tags) != "['isp:local']" {
			r.Errorf("probe = %d|%s|…|%s, want %s…|['isp:local']", m.Seq, m.Name, m.Tags, want)
		}
		if got.Session != 7 || got.Seq != 0 || got.Time != m.Timestamp || got.T2 != t2 || got.T3 != 0 {
			r.Errorf("sample %+v, want session 7, seq 0, time %d, T2 %d and no T3", got, m.Timestamp, t2)
		}
		if got.Sent != r.sent || got.Received != r.received {
			r.Errorf("sources %v and %v, want %v and %v", got.Sent, got.Received, r.sent, r.received)
		}
		if got.T1 < got.Time || got.T1 > t2 || got.T4 < t2 || got.T4 > after || got.Time < before {
			r.Errorf("not in order: began %d, time %d, T1 %d, T2 %d, T4 %d, ended %d", before, got.Time, got.T1, t2, got.T4, after)
		}
		if got.Value != got.T4-got.T1 {
			r.Errorf("value %d, want T4 - T1 = %d", got.Value, got.T4-got.T1)
		}
		r.drain()
		r.noMoreMetrics()
		r.balanced()
		r.counts(selfstats.ProbesAnswered, 1)
	})
}

func TestUDPProbeWithoutReplyIsLostAndLateReplyOnlyCounted(t *testing.T) {
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		s := sessionTo(1, measurement.UDP, peer.addr())
		s.Timeout = 30 * time.Millisecond
		r.addOnce(s)
		m := peer.receive()
		lost := r.metric(measurement.UDPLoss)
		if lost.Value != 1 || lost.Time != m.Timestamp || lost.Seq != 0 || lost.Session != 1 {
			r.Errorf("loss %+v, want value 1, seq 0 of session 1 at %d", lost, m.Timestamp)
		}
		peer.answer(m)
		r.counted(selfstats.RepliesLate, 1)
		peer.answer(m)
		r.counted(selfstats.RepliesDuplicate, 1)
		r.drain()
		r.noMoreMetrics()
		r.noMoreEvents(measurement.EventAnswering)
		r.counts(selfstats.ProbesLost, 1)
		r.counts(selfstats.ProbesAnswered, 0)
	})
}

func TestUDPDuplicateReplyIsNotMeasured(t *testing.T) {
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		r.addOnce(sessionTo(1, measurement.UDP, peer.addr()))
		m := peer.receive()
		peer.answer(m)
		peer.answer(m)
		r.counted(selfstats.RepliesDuplicate, 1)
		r.metric(measurement.UDPRTT)
		r.noMoreMetrics()
		r.counts(selfstats.ProbesAnswered, 1)
	})
}

func TestUDPReorderedRepliesAreMeasured(t *testing.T) {
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		r.add(sessionTo(1, measurement.UDP, peer.addr()))
		first, second := peer.receive(), peer.receive()
		peer.answer(second)
		if got := r.metric(measurement.UDPRTT); got.Seq != 1 || got.Time != second.Timestamp {
			r.Errorf("first sample %+v, want seq 1 at %d", got, second.Timestamp)
		}
		peer.answer(first)
		if got := r.metric(measurement.UDPRTT); got.Seq != 0 || got.Time != first.Timestamp {
			r.Errorf("second sample %+v, want seq 0 at %d", got, first.Timestamp)
		}
		r.counts(selfstats.RepliesReordered, 1)
		r.counts(selfstats.ProbesAnswered, 2)
	})
}

func TestUDPReplyFromElsewhereOrOfUnknownNumberIsUnmatched(t *testing.T) {
	each(t, func(r *rig) {
		peer, stranger := newUDPPeer(t, anyPort), newUDPPeer(t, anyPort)
		r.addOnce(sessionTo(1, measurement.UDP, peer.addr()))
		m := peer.receive()
		stranger.answer(m)
		r.counted(selfstats.RepliesUnmatched, 1)
		unknown := m
		unknown.Seq = 77
		peer.answer(unknown)
		r.counted(selfstats.RepliesUnmatched, 2)
		r.counts(selfstats.ProbesAnswered, 0)
		r.noMoreMetrics()
		peer.answer(m)
		r.metric(measurement.UDPRTT)
	})
}

func TestUDPMalformedRepliesAreCounted(t *testing.T) {
	malformed := []string{
		"x", "0|peer|1768219134587069267|[]", "0|peer|1768219134587069267|[]|0|", "101|peer|1768219134587069267|[]|",
		"00|peer|1768219134587069267|[]|", "0||1768219134587069267|[]|", "0|peer|soon|[]|", "0|peer|-5|[]|",
		"0|\xff|1768219134587069267|[]|", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	}
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		r.addOnce(sessionTo(1, measurement.UDP, peer.addr()))
		m := peer.receive()
		for _, data := range malformed {
			peer.send([]byte(data), m.from)
		}
		r.counted(selfstats.RepliesMalformed, uint64(len(malformed)))
		peer.answer(m)
		r.metric(measurement.UDPRTT)
		r.counts(selfstats.RepliesMalformed, uint64(len(malformed)))
		r.counts(selfstats.RepliesUnmatched, 0)
	})
}

func TestUDPEmptyDatagramIsMalformed(t *testing.T) {
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		r.addOnce(sessionTo(1, measurement.UDP, peer.addr()))
		peer.send(nil, peer.receive().from)
		r.counted(selfstats.RepliesMalformed, 1)
	})
}

func TestUDPSessionsToOneAddressAreBothMeasured(t *testing.T) {
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		s := sessionTo(1, measurement.UDP, peer.addr())
		r.addOnce(s)
		s.ID = 2
		r.addOnce(s)
		a, b := peer.receive(), peer.receive()
		if a.from == b.from {
			r.Errorf("both probes came from %v: nobody could tell their replies apart", a.from)
		}
		peer.answer(a)
		peer.answer(b)
		got := r.metric(measurement.UDPRTT).Session + r.metric(measurement.UDPRTT).Session
		if got != 1+2 {
			r.Errorf("samples of sessions with a sum of %d, want one each of 1 and 2", got)
		}
	})
}

func TestUDPLaneIsUsedAgain(t *testing.T) {
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		sources := map[netip.AddrPort]bool{}
		for range 50 {
			r.addOnce(sessionTo(1, measurement.UDP, peer.addr())) // takes the place of the one before
			sources[peer.receive().from] = true
		}
		if len(sources) != 1 {
			r.Errorf("50 sessions of one ID used %d sockets, want 1", len(sources))
		}
		r.counts(selfstats.ProbesAbandoned, 49)
	})
}

func TestOneWaySessionPublishesNothing(t *testing.T) {
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		s := sessionTo(1, measurement.UDP, peer.addr())
		s.RTT, s.Timeout, s.MaxLost = false, 300*time.Millisecond, 1000
		r.add(s)
		peer.answer(peer.receive())
		r.counted(selfstats.ProbesAnswered, 1)
		r.counted(selfstats.ProbesLost, 2)
		r.drain()
		r.balanced()
		r.noMoreMetrics()
		r.event(measurement.EventAnswering)
	})
}

func TestSilentTargetIsToldOnce(t *testing.T) {
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		s := sessionTo(1, measurement.UDP, peer.addr())
		s.Timeout = 20 * time.Millisecond
		r.add(s)
		r.event(measurement.EventSilent)
		r.counted(selfstats.ProbesLost, 10)
		r.noMoreEvents(measurement.EventSilent)
		lost := r.counters.Get(selfstats.ProbesLost)
		go peer.answerAll()
		r.event(measurement.EventAnswering)
		r.noMoreEvents(measurement.EventSilent)
		r.drain()
		r.balanced()
		if lost < 3 {
			r.Errorf("silent after %d losses, want 3", lost)
		}
	})
}

// The event must stand on the ring right behind the loss that made it, not before.
func TestSilentComesAfterMaxLostLosses(t *testing.T) {
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		s := sessionTo(1, measurement.UDP, peer.addr())
		s.Timeout = 20 * time.Millisecond
		r.add(s)
		waittest.Until(t, "five records", func() bool { r.pop(); return len(r.samples) >= 5 })
		for i, want := range []measurement.Kind{
			measurement.KindMetric, measurement.KindMetric, measurement.KindMetric, measurement.KindEvent, measurement.KindMetric,
		} {
			if r.samples[i].Kind != want {
				r.Errorf("record %d is of kind %d, want %d", i, r.samples[i].Kind, want)
			}
		}
	})
}

func TestSilentTargetIsHeldToOneWrapOfNumbers(t *testing.T) {
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		s := sessionTo(1, measurement.UDP, peer.addr())
		s.Interval = time.Millisecond
		r.add(s)
		r.counted(selfstats.SkippedUnanswered, 20)
		r.counts(selfstats.SlotsSent, textproto.Numbers)
		for range 50 {
			peer.receive()
		}
		peer.answer(peer.receive()) // from now on their numbers can be told apart
		r.counted(selfstats.SlotsSent, textproto.Numbers+50)
		if got := r.metric(measurement.UDPRTT); got.Seq != 50 {
			r.Errorf("seq %d, want 50", got.Seq)
		}
	})
}

func TestSessionsAreReplacedUnderTraffic(t *testing.T) {
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		go peer.answerAll()
		s := sessionTo(1, measurement.UDP, peer.addr())
		s.Interval = time.Millisecond
		for i := range uint64(30) {
			r.add(s)
			r.counted(selfstats.ProbesAnswered, 5*(i+1))
			if i%3 == 0 {
				r.remove(s.ID)
			}
		}
		r.drain()
		r.balanced()
	})
}

func TestRemovedSessionSendsNoMore(t *testing.T) {
	each(t, func(r *rig) {
		gone, kept := newUDPPeer(t, anyPort), newUDPPeer(t, anyPort)
		r.add(sessionTo(1, measurement.UDP, gone.addr()))
		s := sessionTo(2, measurement.UDP, kept.addr())
		s.Timeout = 50 * time.Millisecond
		r.add(s)
		m := gone.receive()
		r.remove(1)
		r.remove(1)
		r.remove(99)
		r.counted(selfstats.ProbesAbandoned, 1)
		gone.answer(m)
		r.counted(selfstats.RepliesUnmatched, 1)
		sent := r.counters.Get(selfstats.SlotsSent)
		for range 5 {
			kept.receive()
		}
		r.counted(selfstats.SlotsSent, sent+3)
		r.drain()
		r.balanced()
	})
}

func TestDrainWaitsForTheLastProbeAndEndsProbing(t *testing.T) {
	each(t, func(r *rig) {
		peer := newUDPPeer(t, anyPort)
		s := sessionTo(1, measurement.UDP, peer.addr())
		s.Timeout = 500 * time.Millisecond
		r.add(s)
		first := peer.receive()
		peer.receive()
		r.loop.Send(loop.Command{Verb: loop.Drain})
		r.add(sessionTo(2, measurement.UDP, peer.addr())) // too late
		peer.answer(first)
		r.metric(measurement.UDPRTT)
		select {
		case <-r.loop.Drained():
			r.Error("drained with a probe outstanding")
		default:
		}
		r.drain()
		r.balanced()
		if r.counters.Get(selfstats.ProbesLost) == 0 {
			r.Error("no probe lost, want those without a reply")
		}
		sent := r.counters.Get(selfstats.SlotsSent)
		r.stop()
		r.counts(selfstats.SlotsSent, sent)
	})
}

// A loop that was not running must not take its own absence for loss.
func TestRepliesAreReadBeforeTimeoutsAfterAHalt(t *testing.T) {
	s := &Sender{counters: new(selfstats.Block), cleaning: 1000}
	s.keepHouse(clock.Mono(1000 + 3*housekeeping))
	if !s.halted {
		t.Error("cleaned right after a halt")
	}
	s.keepHouse(s.cleaning.Add(3 * housekeeping))
	if s.halted {
		t.Error("put off twice in a row")
	}
	s.keepHouse(s.cleaning.Add(time.Millisecond))
	if s.halted {
		t.Error("put off without a halt")
	}
}
