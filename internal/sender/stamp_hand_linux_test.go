package sender

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// lossy is a session in STAMP whose every packet the test decides on.
type lossy struct {
	*byHand
	peer    *stampPeer
	session *session
	sent    []int64 // T1 of the probes
	held    []request
	replies [][]byte
	from    request
	lost    map[measurement.Metric]int
	times   map[measurement.Metric][]int64
}

func newLossy(t *testing.T, change func(s *measurement.Session, p *stampPeer)) *lossy {
	h := newByHand(t)
	peer := newStampPeer(t, nil)
	s := stampTo(1, peer.addr())
	s.Interval, s.Timeout, s.MaxLost = 10*time.Millisecond, 2*time.Second, 1000
	change(&s, peer)
	h.add(s, 0)
	h.cleaning = clock.Never
	return &lossy{
		byHand: h, peer: peer, session: h.sessions[0],
		lost: map[measurement.Metric]int{}, times: map[measurement.Metric][]int64{},
	}
}

// play sends a probe for each letter, which says what becomes of it: "." it is answered, "f" lost
// forward, "b" lost backward, "d" its request is doubled, "2" its reply is doubled, "h" held up on the
// way out until an "H" is through, "r" its reply held up until an "R" is in, "0" the reflector begins to
// count anew before it, "w" the reflector's number is about to wrap.
func (l *lossy) play(script string) {
	l.Helper()
	for _, letter := range script {
		l.nextSlot()
		probe := l.peer.next()
		l.from = probe
		l.sent = append(l.sent, 0)
		switch letter {
		case 'f':
		case 'b':
			l.peer.reflect(probe)
		case 'd':
			l.answer(probe)
			l.answer(probe)
		case '2':
			reply := l.peer.reflect(probe)
			l.peer.send(reply, probe.from)
			l.peer.send(reply, probe.from)
		case 'h':
			l.held = append(l.held, probe)
		case 'H':
			l.answer(probe)
			for _, h := range l.held {
				l.answer(h)
			}
			l.held = nil
		case 'r':
			l.replies = append(l.replies, l.peer.reflect(probe))
		case 'R':
			l.answer(probe)
			for _, reply := range l.replies {
				l.peer.send(reply, probe.from)
			}
			l.replies = nil
		case '0':
			l.peer.number, l.peer.received = 0, 0
			l.answer(probe)
		case 'w':
			l.peer.number, l.peer.received = 1<<32-3, 1<<32-3
			l.answer(probe)
		default:
			l.answer(probe)
		}
		l.step()
	}
}

func (l *lossy) answer(r request) { l.peer.send(l.peer.reflect(r), r.from) }

// settle lets all timeouts pass and takes what was published.
func (l *lossy) settle() {
	l.Helper()
	for range 3 {
		l.step()
	}
	l.clean(clock.MonoNow().Add(time.Hour))
	for n := l.config.Ring.Pop(l.popped[:]); n > 0; n = l.config.Ring.Pop(l.popped[:]) {
		for i := range l.popped[:n] {
			if s := &l.popped[i]; s.Kind == measurement.KindMetric && s.Metric.Loss() {
				l.lost[s.Metric] += int(s.Value)
				l.times[s.Metric] = append(l.times[s.Metric], s.Time)
			}
		}
	}
}

func TestLossOfEachDirectionIsCountedExactly(t *testing.T) {
	tests := []struct {
		name, script      string
		forward, backward int
	}{
		{"none", "..........", 0, 0},
		{"forward", "..f..ff....f.", 4, 0},
		{"backward", "..b..bb....b.", 0, 4},
		{"both", ".f.b.fb.bf.fffbb..", 6, 5},
		{"before the first reply", "ffbf..", 3, 1},
		{"requests out of order", "..hH....hhH..hhhhH...", 0, 0},
		{"requests out of order, and loss", "..hH..f..b.hhH..f.hH...b..", 2, 2},
		{"replies out of order", "..rR....rrrR...rR..", 0, 0},
		{"replies out of order around loss", "..rfR....rbrR..fr.R..", 2, 1},
		{"doubled requests", "..d..d.f...d..b..d..", 1, 1},
		{"doubled replies", "..2..2.f...2..b..2..", 1, 1},
		{"the reflector begins anew", "......f..0..b....", 1, 1},
		{"the reflector begins anew after a gap", "......ff0..b....", 2, 1},
		{"the reflector's number wraps", "w..f..b..f....", 2, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLossy(t, func(*measurement.Session, *stampPeer) {})
			l.play(tt.script)
			l.settle()
			want := map[measurement.Metric]int{
				measurement.UDPLoss: tt.forward + tt.backward, measurement.UDPLossForward: tt.forward, measurement.UDPLossBackward: tt.backward,
			}
			for m, n := range want {
				if l.lost[m] != n {
					t.Errorf("%v: %d, want %d", m, l.lost[m], n)
				}
			}
			for c, n := range map[selfstats.Counter]int{
				selfstats.LostForward: tt.forward, selfstats.LostBackward: tt.backward, selfstats.ProbesLost: tt.forward + tt.backward,
			} {
				if got := l.counters.Get(c); got != uint64(n) {
					t.Errorf("%v = %d, want %d", c, got, n)
				}
			}
		})
	}
}

// Points of loss by direction stand at the times of the probes, as those of two-way loss do.
func TestLossByDirectionIsAtTheTimeOfTheProbe(t *testing.T) {
	l := newLossy(t, func(*measurement.Session, *stampPeer) {})
	l.play("..f..ff.b.")
	l.settle()
	both, forward, backward := l.times[measurement.UDPLoss], l.times[measurement.UDPLossForward], l.times[measurement.UDPLossBackward]
	if fmt.Sprint(append(forward, backward...)) != fmt.Sprint(both) || len(both) != 4 {
		t.Errorf("forward %v and backward %v, want together %v", forward, backward, both)
	}
}

func TestLossThatNoReplyFollowsIsToldOnceOneDoes(t *testing.T) {
	l := newLossy(t, func(*measurement.Session, *stampPeer) {})
	l.play("...fffb")
	l.settle()
	if l.lost[measurement.UDPLoss] != 4 || l.lost[measurement.UDPLossForward]+l.lost[measurement.UDPLossBackward] != 0 {
		t.Errorf("lost %v, want 4 without a direction", l.lost)
	}
	l.play(".")
	l.settle()
	if l.lost[measurement.UDPLossForward] != 3 || l.lost[measurement.UDPLossBackward] != 1 {
		t.Errorf("lost %v, want 3 forward and 1 backward", l.lost)
	}
}

func TestLongOutageIsToldInFewPoints(t *testing.T) {
	l := newLossy(t, func(s *measurement.Session, _ *stampPeer) { s.Timeout = 20 * time.Millisecond })
	l.play("...")
	const outage = 3000
	for range outage / 10 {
		l.play("ffffffffff")
		l.settle()
	}
	l.play("..")
	l.settle()
	if l.lost[measurement.UDPLossForward] != outage || l.lost[measurement.UDPLossBackward] != 0 {
		t.Errorf("lost %v, want %d forward", l.lost, outage)
	}
	if n := len(l.times[measurement.UDPLossForward]); n > splitRecords+2 {
		t.Errorf("%d points, want %d or a few more at most", n, splitRecords)
	}
}

func TestLossHasNoDirectionWhereTheReflectorDoesNotCount(t *testing.T) {
	ups := map[string]func(p *stampPeer){
		"stateless, without Direct Measurement": func(p *stampPeer) {
			p.rewrite = func(r *stampReflection) { r.DirectMeasurement = nil }
			p.stateless = true
		},
		"stateless, and counts what it receives": func(p *stampPeer) { p.stateless = true },
		"no TLVs":                                func(p *stampPeer) { p.noTLVs = true },
		"TWAMP Light":                            func(p *stampPeer) { p.length, p.noSSID = 41, true },
	}
	for name, change := range ups {
		t.Run(name, func(t *testing.T) {
			l := newLossy(t, func(_ *measurement.Session, p *stampPeer) { change(p) })
			l.play(".....f..b...f............................b..")
			l.settle()
			if l.lost[measurement.UDPLoss] != 4 || l.lost[measurement.UDPLossForward]+l.lost[measurement.UDPLossBackward] != 0 {
				t.Errorf("lost %v, want 4 without a direction", l.lost)
			}
		})
	}
}

func TestStampProbesAreMeasuredAcrossTheWrap(t *testing.T) {
	l := newLossy(t, func(*measurement.Session, *stampPeer) {})
	l.session.stamp.beginAt(1<<32 - 3)
	l.peer.number = 5
	l.play("....f..b.")
	l.settle()
	if got := l.counters.Get(selfstats.ProbesAnswered); got != 7 {
		t.Errorf("%d answered, want 7", got)
	}
	if l.lost[measurement.UDPLossForward] != 1 || l.lost[measurement.UDPLossBackward] != 1 {
		t.Errorf("lost %v, want 1 of each direction", l.lost)
	}
	if got := l.peer.decode(l.from).Seq; got != 5 {
		t.Errorf("last number %d, want 5", got)
	}
}

// Across a step of the wall clock there is no one-way delay, and the round trip is by the monotonic one.
func TestSamplesAcrossAClockStepAreCounted(t *testing.T) {
	l := newLossy(t, func(s *measurement.Session, _ *stampPeer) { s.OWD = measurement.OWDAlways })
	l.nextSlot()
	probe := l.peer.next()
	l.session.stamp.table.Reset(0)
	_, number := l.session.stamp.table.Next()
	p := l.peer.decode(probe)
	t1, _ := stamp.NTP.UnixNanos(p.T1, time.Now().UnixNano(), 0)
	l.session.stamp.table.Add(clock.MonoNow(), clock.Wall(t1), l.Sender.step.Epoch()+1)
	l.peer.answer(probe)
	l.step()
	if number != 0 || l.counters.Get(selfstats.SamplesAcrossStep) != 2 {
		t.Errorf("%d samples across a step, want 2", l.counters.Get(selfstats.SamplesAcrossStep))
	}
	for n := l.config.Ring.Pop(l.popped[:]); n > 0; n = l.config.Ring.Pop(l.popped[:]) {
		for _, s := range l.popped[:n] {
			if s.Kind == measurement.KindMetric && (s.Metric != measurement.UDPRTT || s.Sent != measurement.SourceUser) {
				t.Errorf("unexpected sample %+v", s)
			}
		}
	}
}

func TestSessionThatNeverGetsStampThroughTriesSeldom(t *testing.T) {
	l := newLossy(t, func(s *measurement.Session, p *stampPeer) {
		s.Protocol, s.MaxLost, s.Timeout = measurement.Auto, 1, 20*time.Millisecond
		p.mute = true
	})
	w, now := l.session.stamp, clock.MonoNow()
	upgrades := 0
	for range 3600 {
		now = now.Add(time.Second)
		l.upgrade(l.session, now)
		if l.session.speaking == &w.flow {
			upgrades++
			l.fallBack(l.session, now)
		}
	}
	if upgrades < 5 || upgrades > 20 {
		t.Errorf("%d tries in an hour, want about 15", upgrades)
	}
}

// Replies to probes of before STAMP began anew have numbers that are used again.
func TestRepliesOfAnEarlierTimeInStampAreUnmatched(t *testing.T) {
	l := newLossy(t, func(s *measurement.Session, p *stampPeer) { s.Protocol, p.noSSID = measurement.Auto, true })
	w := l.session.stamp
	l.upgrade(l.session, clock.MonoNow())
	l.nextSlot()
	old := l.peer.next()
	l.clean(clock.MonoNow().Add(time.Hour))
	l.fallBack(l.session, clock.MonoNow())
	l.upgrade(l.session, clock.MonoNow().Add(time.Hour))
	if l.session.speaking != &w.flow {
		t.Fatal("not in STAMP again")
	}
	l.nextSlot()
	l.peer.answer(old)
	l.step()
	if n := l.counters.Get(selfstats.RepliesUnmatched); n != 1 {
		t.Errorf("%d replies unmatched, want 1", n)
	}
	l.peer.answer(l.peer.next())
	l.step()
	if n := l.counters.Get(selfstats.ProbesAnswered); n != 1 {
		t.Errorf("%d probes answered, want 1", n)
	}
}

func TestSSIDsAreNotLikeText(t *testing.T) {
	l := newLossy(t, func(*measurement.Session, *stampPeer) {})
	w, seen := l.session.stamp, map[uint16]bool{}
	for range 1 << 16 {
		before := w.ssid
		l.begin(w)
		if first := w.ssid >> 8; w.ssid == 0 || w.ssid == before || first >= ' ' {
			t.Fatalf("SSID %#04x after %#04x, want another one that begins with a control character", w.ssid, before)
		}
		seen[w.ssid] = true
	}
	if len(seen) != lastSSID {
		t.Errorf("%d SSIDs, want %d", len(seen), lastSSID)
	}
}

func TestSwitchingDoesNotAllocate(t *testing.T) {
	l := newLossy(t, func(s *measurement.Session, _ *stampPeer) {
		s.Protocol, s.Size, s.AuthKey = measurement.Auto, 500, []byte("secret")
	})
	now := clock.MonoNow()
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Hour)
		l.upgrade(l.session, now)
		l.session.stamp.refuse(classOfService | extraPadding)
		l.session.stamp.noteKept()
		l.fallBack(l.session, now)
	}); n != 0 {
		t.Errorf("going over to STAMP and back allocates %v times", n)
	}
	if n := l.counters.Get(selfstats.StampUpgrades); n != 101 {
		t.Errorf("%d upgrades, want 101", n)
	}
}

// A name that is no UTF-8 can't be announced; all else goes on.
func TestNameThatIsNoUTF8IsNotAnnounced(t *testing.T) {
	l := newLossy(t, func(s *measurement.Session, _ *stampPeer) { s.Source = "\xff" })
	l.nextSlot()
	probe := l.peer.next()
	if tlvs := l.peer.tlvs(probe); tlvs[stamp.TypeSessionIdentity] != nil || tlvs[stamp.TypeDirectMeasurement] == nil {
		t.Errorf("TLVs %v, want all but an identity", tlvs)
	}
}

// Each probe has a place of its own in the session, also where several that ask in text are under way
// among those in STAMP.
func TestProbesOfBothProtocolsHavePlacesOfTheirOwn(t *testing.T) {
	l := newLossy(t, func(s *measurement.Session, _ *stampPeer) {
		s.Protocol, s.Interval, s.Timeout, s.MaxLost = measurement.Auto, 100*time.Millisecond, 10*time.Second, 1
	})
	l.play(".")
	l.session.stamp.lostRun = 1
	var texts, stamps []request
	for range 50 {
		l.nextSlot()
		if probe := l.peer.next(); probe.text {
			texts = append(texts, probe)
		} else {
			stamps = append(stamps, probe)
		}
	}
	for _, probe := range append(stamps, texts...) {
		l.answer(probe)
		l.step()
	}
	places := map[int64]uint64{}
	for n := l.config.Ring.Pop(l.popped[:]); n > 0; n = l.config.Ring.Pop(l.popped[:]) {
		for _, s := range l.popped[:n] {
			if s.Kind == measurement.KindMetric && s.Metric == measurement.UDPRTT {
				places[s.Time] = s.Seq
			}
		}
	}
	if len(texts) < 3 || len(places) != 51 {
		t.Fatalf("%d probes asked in text and %d were measured, want some and 51", len(texts), len(places))
	}
	for i, at := range slices.Sorted(maps.Keys(places)) {
		if places[at] != uint64(i) {
			t.Errorf("probe %d has the place %d", i, places[at])
		}
	}
}

// It may come back as a program that knows text only.
func TestUnreachableTargetIsAskedInText(t *testing.T) {
	l := newLossy(t, func(s *measurement.Session, _ *stampPeer) { s.Protocol = measurement.Auto })
	l.upgrade(l.session, clock.MonoNow())
	_ = l.peer.conn.Close()
	l.nextSlot()
	for deadline := time.Now().Add(l.patience); l.counters.Get(selfstats.ProbesLost) == 0 && time.Now().Before(deadline); {
		l.step()
	}
	texts, _ := l.session.text.table.Next()
	l.nextSlot()
	for c, want := range map[selfstats.Counter]uint64{
		selfstats.StampFallbacks: 0, selfstats.SlotsSent: 2,
	} {
		if got := l.counters.Get(c); got != want {
			t.Errorf("%v = %d, want %d", c, got, want)
		}
	}
	if now, _ := l.session.text.table.Next(); now != texts+1 || l.session.speaking == &l.session.text {
		t.Errorf("%d probes in text after the error, in STAMP %v, want 1 and true", now-texts, l.session.speaking != &l.session.text)
	}
}

func TestErrorOfTheHostsClockIsPublishedAndToldOnChange(t *testing.T) {
	h := newByHand(t)
	bound, synchronised := 100*time.Microsecond, true
	h.host = newHostClock(func() clock.Error { return clock.Error{Bound: bound, Synchronised: synchronised} })
	now := clock.MonoNow()
	second := func(n int) (points int, details []int64) {
		for range n {
			now = now.Add(time.Second)
			h.watchClock(now)
			for n := h.config.Ring.Pop(h.popped[:]); n > 0; n = h.config.Ring.Pop(h.popped[:]) {
				for _, s := range h.popped[:n] {
					if e, detail := s.Event(); e == measurement.EventClockError && s.Session == 0 {
						details = append(details, detail)
					}
					if s.Kind == measurement.KindMetric && s.Metric == measurement.HostClockError && s.Session == 0 {
						points++
						if s.Value != int64(bound) {
							t.Errorf("value %d, want %d", s.Value, bound)
						}
					}
				}
			}
		}
		return points, details
	}
	expect := func(what string, seconds, wantPoints int, want ...int64) {
		t.Helper()
		points, details := second(seconds)
		if points != wantPoints || fmt.Sprint(details) != fmt.Sprint(want) {
			t.Errorf("%s: %d points and events %v, want %d and %v", what, points, details, wantPoints, want)
		}
	}
	expect("good", 100, 10)
	bound = 3 * time.Millisecond
	expect("inexact", 10, 1, 3_000_000)
	bound = 4 * time.Millisecond
	expect("worse", 10, 1)
	for range 20 {
		bound = 100 * time.Microsecond
		expect("good for a while", 10, 1)
		bound = 2 * time.Millisecond
		expect("inexact again", 10, 1)
	}
	bound = 100 * time.Microsecond
	expect("good for long", 100, 10, 0)
	bound, synchronised = 16*time.Second, false
	expect("unsynchronised", 10, 1, -1)
	if e := h.host.estimates[stamp.PTP]; e.Synchronised() || e.Format() != stamp.PTP || e.Bound() < 16*time.Second {
		t.Errorf("estimate %v, %v, %v", e.Synchronised(), e.Format(), e.Bound())
	}
	bound, synchronised = 2*time.Millisecond, true
	expect("synchronised again", 100, 10, 2_000_000)
	if e := h.host.estimates[stamp.NTP]; !e.Synchronised() || e.Format() != stamp.NTP || e.Bound() > 3*time.Millisecond {
		t.Errorf("estimate %v, %v, %v", e.Synchronised(), e.Format(), e.Bound())
	}
}

func TestRepliesWithAnyOctetsDoNoHarm(t *testing.T) {
	for _, key := range [][]byte{nil, []byte("secret")} {
		l := newLossy(t, func(s *measurement.Session, p *stampPeer) { s.AuthKey = key })
		peer := newStampPeer(t, key)
		l.nextSlot()
		probe := l.peer.next()
		good := peer.reflect(probe)
		for at := range good {
			b := bytes.Clone(good)
			b[at] ^= 0xff
			l.peer.send(b, probe.from)
			l.step()
			l.peer.send(good[:at], probe.from)
			l.step()
		}
		l.settle()
	}
}
