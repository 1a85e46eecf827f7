package sender

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

func TestAutoGoesOverToStampWithinTwoProbes(t *testing.T) {
	each(t, func(r *rig) {
		peer := newStampPeer(t, nil)
		s := sessionTo(1, measurement.UDP, peer.addr())
		s.Interval = 100 * time.Millisecond
		r.add(s)
		first := peer.next()
		m, err := textproto.Decode(first.data)
		if err != nil || !bytes.HasPrefix(m.Padding, []byte(textproto.StampQuery)) {
			r.Fatalf("first probe %q, want text with %q in the padding", first.data, textproto.StampQuery)
		}
		peer.answer(first)
		second := peer.next()
		if p := peer.decode(second); second.text || p.Seq != 0 || p.SSID == 0 {
			r.Errorf("second probe %q, want STAMP with number 0 and an SSID", second.data)
		}
		peer.answer(second)
		r.event(measurement.EventStamp)
		for seq := range uint64(2) {
			if got := r.metric(measurement.UDPRTT); got.Seq != seq || (got.T3 == 0) != (seq == 0) {
				r.Errorf("sample %+v, want probe %d, with T3 in STAMP only", got, seq)
			}
		}
		r.counts(selfstats.StampUpgrades, 1)
		r.drain()
		r.counts(selfstats.ProbesAnswered, 2)
	})
}

func TestProbesInTextUnderWayAreSettledAsText(t *testing.T) {
	each(t, func(r *rig) {
		peer := newStampPeer(t, nil)
		r.add(sessionTo(1, measurement.UDP, peer.addr()))
		held := []request{peer.next(), peer.next(), peer.next()}
		peer.answer(peer.next())
		r.event(measurement.EventStamp)
		probe := peer.next()
		for ; probe.text; probe = peer.next() {
			held = append(held, probe)
		}
		peer.answer(probe)
		for _, h := range held {
			peer.answer(h)
		}
		r.counted(selfstats.ProbesAnswered, uint64(len(held))+2)
		seen := map[uint64]bool{}
		for range len(held) + 2 {
			got := r.metric(measurement.UDPRTT)
			if seen[got.Seq] {
				r.Errorf("probe %d is measured twice", got.Seq)
			}
			seen[got.Seq] = true
		}
		r.counts(selfstats.RepliesUnmatched, 0)
		r.counts(selfstats.StampUpgrades, 1)
	})
}

func TestTargetThatKnowsTextOnlyKeepsGettingText(t *testing.T) {
	each(t, func(r *rig) {
		peer := newStampPeer(t, nil)
		peer.textOnly = true
		r.add(sessionTo(1, measurement.UDP, peer.addr()))
		for range 20 {
			probe := peer.next()
			if !probe.text {
				r.Fatalf("probe %x, want text", probe.data)
			}
			peer.answer(probe)
		}
		r.counts(selfstats.StampUpgrades, 0)
		r.noMoreEvents(measurement.EventStamp)
	})
}

func TestTextSessionDoesNotAskAndStaysInText(t *testing.T) {
	each(t, func(r *rig) {
		peer := newStampPeer(t, nil)
		s := sessionTo(1, measurement.UDP, peer.addr())
		s.Protocol = measurement.Text
		r.add(s)
		for range 5 {
			probe := peer.next()
			if !probe.text || bytes.Contains(probe.data, []byte(textproto.StampQuery)) {
				r.Fatalf("probe %q, want text without a query", probe.data)
			}
			peer.answer(probe)
		}
	})
}

func TestAutoFallsBackWhenThePeerIsReplacedByOneWithoutStamp(t *testing.T) {
	each(t, func(r *rig) {
		peer := newStampPeer(t, nil)
		s := sessionTo(1, measurement.UDP, peer.addr())
		s.Timeout = 200 * time.Millisecond
		r.add(s)
		peer.answer(peer.next())
		r.event(measurement.EventStamp)
		probe := peer.next()
		for ; probe.text; probe = peer.next() {
			peer.answer(probe)
		}
		peer.answer(probe)
		r.event(measurement.EventAnswering)
		peer.textOnly = true
		go peer.answerAll()
		r.event(measurement.EventText)
		before := r.counters.Get(selfstats.ProbesAnswered)
		r.counted(selfstats.ProbesAnswered, before+10)
		r.counts(selfstats.StampFallbacks, 1)
		r.counts(selfstats.StampUpgrades, 1)
		r.drain()
		r.balanced()
		r.noMoreEvents(measurement.EventStamp)
	})
}

func TestStampSessionSendsNoTextEver(t *testing.T) {
	each(t, func(r *rig) {
		peer := newStampPeer(t, nil)
		s := stampTo(1, peer.addr())
		s.Timeout = 30 * time.Millisecond
		r.add(s)
		r.event(measurement.EventSilent)
		for range 20 {
			if probe := peer.next(); probe.text {
				r.Fatalf("probe %q, want STAMP", probe.data)
			}
		}
		r.counts(selfstats.StampFallbacks, 0)
	})
}

func TestStampProbeCarriesWhatItShould(t *testing.T) {
	for _, key := range [][]byte{nil, []byte("secret")} {
		each(t, func(r *rig) {
			peer := newStampPeer(t, key)
			s := stampTo(1, peer.addr())
			s.Size, s.AuthKey, s.DSCP = 300, key, 46
			before := clock.WallNow()
			r.add(s)
			probe := peer.next()
			p, tlvs := peer.decode(probe), peer.tlvs(probe)
			t1, _ := stamp.NTP.UnixNanos(p.T1, int64(before), 0)
			if len(probe.data) != 300 || p.SSID == 0 || p.Seq != 0 || t1 < int64(before) || t1 > int64(clock.WallNow()) {
				r.Errorf("probe of %d octets, SSID %d, number %d, T1 %d", len(probe.data), p.SSID, p.Seq, t1)
			}
			if e := p.ErrorEstimate; !e.Synchronised() && e.Bound() < time.Microsecond || e.Multiplier() == 0 {
				r.Errorf("error estimate %v, %v", e.Synchronised(), e.Bound())
			}
			identity, err := stamp.DecodeSessionIdentity(tlvs[stamp.TypeSessionIdentity])
			if err != nil || string(identity.Name()) != "prober" {
				r.Errorf("identity %q, error %v", identity, err)
			}
			if c, err := stamp.DecodeClassOfService(tlvs[stamp.TypeClassOfService]); err != nil || c.DSCP1 != 46 {
				r.Errorf("class of service %+v, error %v", c, err)
			}
			if _, there := tlvs[stamp.TypeHMAC]; there != (key != nil) {
				r.Errorf("HMAC TLV there: %v", there)
			}
			if _, there := tlvs[stamp.TypeReturnPath]; there {
				r.Error("there is a Return Path TLV")
			}
			peer.answer(probe)
			r.metric(measurement.UDPRTT)
			for seq := uint32(1); seq < 4; seq++ {
				probe := peer.next()
				d, err := stamp.DecodeDirectMeasurement(peer.tlvs(probe)[stamp.TypeDirectMeasurement])
				if p := peer.decode(probe); p.Seq != seq || err != nil || d.SenderTx != seq+1 || len(probe.data) != 300 {
					r.Errorf("probe %d of %d octets has number %d and counter %d, error %v", seq, len(probe.data), p.Seq, d.SenderTx, err)
				}
				peer.answer(probe)
			}
			r.counted(selfstats.ProbesAnswered, 4)
			r.counts(selfstats.RepliesForged, 0)
		})
	}
}

func TestIdentityIsSentUntilItIsKept(t *testing.T) {
	each(t, func(r *rig) {
		peer := newStampPeer(t, nil)
		r.add(stampTo(1, peer.addr()))
		for i := range 14 {
			_, there := peer.tlvs(peer.next())[stamp.TypeSessionIdentity]
			if want := i < identityProbes; there != want {
				r.Errorf("unanswered probe %d has an identity: %v, want %v", i, there, want)
			}
		}
		r.add(stampTo(1, peer.addr()))
		probe := peer.next()
		for peer.decode(probe).Seq != 0 {
			probe = peer.next()
		}
		peer.answer(probe)
		r.metric(measurement.UDPRTT)
		probe = peer.sentAfter(clock.WallNow())
		if _, there := peer.tlvs(probe)[stamp.TypeSessionIdentity]; there {
			r.Error("the identity is sent again at once though it is kept")
		}
		again := time.Now()
		for _, there := peer.tlvs(probe)[stamp.TypeSessionIdentity]; !there || time.Since(again) < identityEvery/2; {
			probe = peer.next()
			_, there = peer.tlvs(probe)[stamp.TypeSessionIdentity]
		}
	})
}

// Reflectors that others made.
func TestReflectorsOfAllKindsAreMeasured(t *testing.T) {
	tests := []struct {
		name string
		peer func(p *stampPeer)
		long bool // probes that come once the reflector is known carry TLVs
	}{
		{"of ours", func(*stampPeer) {}, true},
		{"stateless", func(p *stampPeer) { p.stateless = true }, true},
		{"no SSID", func(p *stampPeer) { p.noSSID = true }, true},
		{"no TLVs, sent back", func(p *stampPeer) { p.noTLVs = true }, false},
		{"no TLVs, cut", func(p *stampPeer) { p.length = stamp.BaseSize }, false},
		{"TWAMP Light", func(p *stampPeer) { p.length, p.noSSID = 41, true }, false},
		{"TWAMP Light without TTL", func(p *stampPeer) { p.length, p.noSSID = 38, true }, false},
		{"PTP in UTC", func(p *stampPeer) { p.format = stamp.PTP }, true},
		{"PTP in TAI", func(p *stampPeer) { p.format, p.utcOffset = stamp.PTP, 37*time.Second }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, format := range []stamp.Format{stamp.NTP, stamp.PTP} {
				each(t, func(r *rig) {
					peer := newStampPeer(t, nil)
					tt.peer(peer)
					s := stampTo(1, peer.addr())
					s.Format, s.UTCOffset, s.OWD, s.Size = format, peer.utcOffset, measurement.OWDAlways, 200
					began := int64(clock.WallNow())
					r.add(s)
					peer.answer(peer.next())
					rtt := r.metric(measurement.UDPRTT)
					forward, backward := r.metric(measurement.UDPOWDForward), r.metric(measurement.UDPOWDBackward)
					if began > rtt.T1 || rtt.T1 > rtt.T2 || rtt.T3 != rtt.T2+1000 || rtt.Value != rtt.T4-rtt.T1-1000 {
						r.Errorf("sample %+v", rtt)
					}
					if forward.Value != rtt.T2-rtt.T1 || backward.Value != rtt.T4-rtt.T3 || forward.Time != rtt.Time || backward.Seq != 0 {
						r.Errorf("one-way delays %+v and %+v beside %+v", forward, backward, rtt)
					}
					if rtt.Sent != r.sent || rtt.Received != r.received {
						r.Errorf("sources %v and %v, want %v and %v", rtt.Sent, rtt.Received, r.sent, r.received)
					}
					probe := peer.sentAfter(clock.WallNow())
					_, long := peer.tlvs(probe)[stamp.TypeDirectMeasurement]
					if long != tt.long || len(probe.data) != 200 {
						r.Errorf("probe of %d octets has a Direct Measurement TLV: %v, want 200 and %v", len(probe.data), long, tt.long)
					}
					peer.answer(probe)
					r.metric(measurement.UDPRTT)
					r.counts(selfstats.RepliesMalformed, 0)
					r.counts(selfstats.RepliesUnmatched, 0)
				})
			}
		})
	}
}

func TestForgedAndForeignRepliesAreDroppedAndCounted(t *testing.T) {
	each(t, func(r *rig) {
		key := []byte("secret")
		peer := newStampPeer(t, key)
		s := stampTo(1, peer.addr())
		s.AuthKey = key
		r.addOnce(s)
		probe := peer.next()
		good := peer.reflect(probe)
		change := func(at int) []byte {
			b := bytes.Clone(good)
			b[at] ^= 1
			return b
		}
		for _, at := range []int{0, 15, 33, 48, 64, 95, 96, 111} {
			peer.send(change(at), probe.from)
		}
		r.counted(selfstats.RepliesForged, 8)
		peer.send(good[:111], probe.from)
		peer.send(good[:20], probe.from)
		r.counted(selfstats.RepliesMalformed, 2)
		peer.send(good, probe.from)
		r.metric(measurement.UDPRTT)
		peer.send(good, probe.from)
		r.counted(selfstats.RepliesDuplicate, 1)
		r.counts(selfstats.RepliesForged, 8)
		r.counts(selfstats.ProbesAnswered, 1)
		r.noMoreMetrics()
	})
}

// A reply whose base packet is good is measured whatever its TLVs are, and they are not used.
func TestBadTLVsOfRepliesAreCounted(t *testing.T) {
	key := []byte("secret")
	const flags, length = 0, 3
	tests := []struct {
		name   string
		key    []byte
		change func(tlvs []byte)
		want   uint64
	}{
		{"good", nil, func([]byte) {}, 0},
		{"good, with a key", key, func([]byte) {}, 0},
		{"malformed", nil, func(tlvs []byte) { tlvs[flags] = byte(stamp.FlagMalformed) }, 1},
		{"truncated", nil, func(tlvs []byte) { tlvs[length-1] = 0xff }, 1},
		{"malformed, with a key", key, func(tlvs []byte) { tlvs[flags] = byte(stamp.FlagMalformed) }, 1},
		{"truncated, with a key", key, func(tlvs []byte) { tlvs[length-1] = 0xff }, 1},
		{"wrong HMAC", key, func(tlvs []byte) { tlvs[len(tlvs)-1] ^= 1 }, 1},
		{"changed", key, func(tlvs []byte) { tlvs[length+1] ^= 1 }, 1},
		{"the probe's was wrong, says the reflector", key, func(tlvs []byte) { tlvs[flags] |= byte(stamp.FlagIntegrity) }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(r *rig) {
				peer := newStampPeer(t, tt.key)
				s := stampTo(1, peer.addr())
				s.AuthKey = tt.key
				r.addOnce(s)
				probe := peer.next()
				reply := peer.reflect(probe)
				tt.change(reply[len(reply)-len(peer.decode(probe).TLVs):])
				peer.send(reply, probe.from)
				r.metric(measurement.UDPRTT)
				r.counts(selfstats.RepliesBadTLVs, tt.want)
				r.counts(selfstats.RepliesForged, 0)
				r.counts(selfstats.ProbesAnswered, 1)
			})
		})
	}
}

func TestRepliesToOtherProbesAreUnmatched(t *testing.T) {
	each(t, func(r *rig) {
		peer := newStampPeer(t, nil)
		r.addOnce(stampTo(1, peer.addr()))
		probe := peer.next()
		good := peer.reflect(probe)
		for _, at := range []int{15, 24, 27, 28, 35} { // SSID, number, T1
			b := bytes.Clone(good)
			b[at] ^= 1
			peer.send(b, probe.from)
		}
		r.counted(selfstats.RepliesUnmatched, 5)
		peer.send(append(bytes.Clone(good[:12]), make([]byte, 32)...), probe.from) // multiplier 0
		peer.send([]byte("0|peer|1768219134587069267|[]|"), probe.from)
		r.counted(selfstats.RepliesMalformed, 2)
		peer.send([]byte("0|peer|1768219134587069267|[]|00000000000000"), probe.from)
		r.counted(selfstats.RepliesUnmatched, 6)
		r.counts(selfstats.ProbesAnswered, 0)
		peer.send(good, probe.from)
		r.metric(measurement.UDPRTT)
	})
}

func TestImpossibleResidenceTimesAreLeftInTheRoundTrip(t *testing.T) {
	for name, residence := range map[string]time.Duration{"T3 before T2": -time.Second, "longer than the round trip": time.Hour} {
		t.Run(name, func(t *testing.T) {
			each(t, func(r *rig) {
				peer := newStampPeer(t, nil)
				peer.residence = residence
				s := stampTo(1, peer.addr())
				s.OWD = measurement.OWDAlways
				r.addOnce(s)
				peer.answer(peer.next())
				if got := r.metric(measurement.UDPRTT); got.Value != got.T4-got.T1 || got.T2 != 0 || got.T3 != 0 {
					r.Errorf("sample %+v, want T4 - T1 and neither T2 nor T3", got)
				}
				r.drain()
				r.noMoreMetrics()
				r.counts(selfstats.RepliesImplausible, 1)
			})
		})
	}
}

func TestNegativeOneWayDelaysArePublished(t *testing.T) {
	each(t, func(r *rig) {
		peer := newStampPeer(t, nil)
		peer.rewrite = func(m *stampReflection) {
			ago := time.Now().Add(-time.Second).UnixNano()
			m.T2, m.T3 = stamp.NTP.Timestamp(ago, 0), stamp.NTP.Timestamp(ago, 0)
		}
		s := stampTo(1, peer.addr())
		s.OWD = measurement.OWDAlways
		r.addOnce(s)
		peer.answer(peer.next())
		if got := r.metric(measurement.UDPOWDForward).Value; got > -int64(900*time.Millisecond) {
			r.Errorf("forward delay %d, want about minus a second", got)
		}
		if got := r.metric(measurement.UDPOWDBackward).Value; got < int64(900*time.Millisecond) {
			r.Errorf("backward delay %d, want about a second", got)
		}
	})
}

func TestOWDAtSenderIsForPeersThatDoNotPublishIt(t *testing.T) {
	tests := []struct {
		name   string
		owd    measurement.SenderOWD
		noTLVs bool
		want   bool
	}{
		{"auto, to a router", measurement.OWDAuto, true, true},
		{"auto, to one of us", measurement.OWDAuto, false, false},
		{"always", measurement.OWDAlways, false, true},
		{"never", measurement.OWDNever, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(r *rig) {
				peer := newStampPeer(t, nil)
				peer.noTLVs = tt.noTLVs
				s := stampTo(1, peer.addr())
				s.OWD = tt.owd
				r.addOnce(s)
				peer.answer(peer.next())
				r.metric(measurement.UDPRTT)
				if tt.want {
					r.metric(measurement.UDPOWDForward)
					r.metric(measurement.UDPOWDBackward)
				}
				r.drain()
				r.noMoreMetrics()
			})
		})
	}
}

func TestRemarkingIsCountedPerProbeAndToldOnce(t *testing.T) {
	each(t, func(r *rig) {
		peer := newStampPeer(t, nil)
		peer.tos = 46 << 2
		s := stampTo(1, peer.addr())
		s.DSCP = 46
		r.add(s)
		answer := func(until func() bool) {
			for !until() {
				peer.answer(peer.next())
			}
		}
		answered := func(n uint64) func() bool {
			n += r.counters.Get(selfstats.ProbesAnswered)
			return func() bool { return r.counters.Get(selfstats.ProbesAnswered) >= n }
		}
		told := func() bool {
			r.pop()
			for i := range r.samples {
				if e, _ := r.samples[i].Event(); e == measurement.EventRemarked {
					return true
				}
			}
			return false
		}
		answer(answered(5))
		r.counts(selfstats.Remarked, 0)
		for _, tos := range []uint8{1, 46 << 2} {
			peer.tos = tos
			answer(told)
			if got := r.event(measurement.EventRemarked); got != 46<<10|int64(tos) {
				r.Errorf("detail %#x, want %#x", got, 46<<10|int64(tos))
			}
		}
		counted := r.counters.Get(selfstats.Remarked)
		answer(answered(5))
		if got := r.counters.Get(selfstats.Remarked); got != counted || counted < settled {
			r.Errorf("%d counted, and %d once it is right again", counted, got)
		}
		r.noMoreEvents(measurement.EventRemarked)
	})
}

func TestOctetThatTakesTurnsIsNotTold(t *testing.T) {
	now, o, told := clock.Mono(0), octet{}, 0
	take := func(value uint8) {
		now = now.Add(10 * time.Millisecond)
		if o.take(value, now) {
			told++
		}
	}
	for i := range 10_000 {
		take(uint8(60 + i%2))
	}
	if told != 1 {
		t.Errorf("told %d times, want the first only", told)
	}
	for range 1000 {
		take(61)
	}
	if told != 2 || o.told != 61 {
		t.Errorf("told %d times, last %d, want once more, with 61", told, o.told)
	}
}

func TestTTLOfTheFarEndIsTold(t *testing.T) {
	each(t, func(r *rig) {
		peer := newStampPeer(t, nil)
		r.addOnce(stampTo(1, peer.addr()))
		peer.answer(peer.next())
		if got := r.event(measurement.EventTTL); got != int64(peer.ttl) {
			r.Errorf("TTL %d, want %d", got, peer.ttl)
		}
	})
}

func TestOneWayStampSessionAsksForFewReplies(t *testing.T) {
	each(t, func(r *rig) {
		peer := newStampPeer(t, nil)
		s := stampTo(1, peer.addr())
		s.RTT, s.Timeout, s.MaxLost = false, 100*time.Millisecond, 1
		r.add(s)
		began, asked, unasked := time.Now(), 0, 0
		for time.Since(began) < 2*askEvery+askEvery/2 {
			probe := peer.next()
			if _, there := peer.tlvs(probe)[stamp.TypeReturnPath]; there {
				unasked++
			} else {
				asked++
			}
			peer.answer(probe)
		}
		if asked < 2 || asked > 4 || unasked < 100 {
			r.Errorf("%d probes asked for a reply and %d did not, want one a second", asked, unasked)
		}
		r.event(measurement.EventAnswering)
		r.counted(selfstats.ProbesOneWay, uint64(unasked))
		r.event(measurement.EventSilent) // from now on nobody answers
		r.drain()
		r.balanced()
		r.noMoreMetrics()
	})
}

func TestOneWaySessionWhoseTargetAlwaysAnswersSettlesAll(t *testing.T) {
	for name, length := range map[string]int{"TLVs sent back": 0, "TLVs cut": stamp.BaseSize, "TWAMP Light without TTL": 38} {
		t.Run(name, func(t *testing.T) {
			each(t, func(r *rig) {
				peer := newStampPeer(t, nil)
				peer.noTLVs, peer.length = true, length
				s := stampTo(1, peer.addr())
				s.RTT, s.OWD, s.Timeout = false, measurement.OWDNever, time.Second
				r.add(s)
				for range 20 {
					peer.answer(peer.next())
				}
				if _, there := peer.tlvs(peer.sentAfter(clock.WallNow()))[stamp.TypeReturnPath]; there {
					r.Error("asks for no reply though the target does not understand that")
				}
				r.drain()
				r.balanced()
				r.noMoreMetrics()
			})
		})
	}
}

func TestStampNumbersOnTheWireWrap(t *testing.T) {
	peer := newStampPeer(t, nil)
	w := newStamper(&measurement.Session{Interval: time.Second, Timeout: time.Second, RTT: true, Source: "a", Remote: peer.addr()})
	const first = 1<<32 - 2
	w.beginAt(first)
	s := &Sender{host: newHostClock(goodClock)}
	for i := range uint64(4) {
		s.stampPacket(w, w.packets[0].data, clock.Wall(i))
		if got, want := binary.BigEndian.Uint32(w.packets[0].data), uint32(first+i); got != want {
			t.Errorf("number %d, want %d", got, want)
		}
		w.table.Add(0, clock.Wall(i), 0)
	}
}
