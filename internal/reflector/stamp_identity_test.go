package reflector

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// told is what the exporter is told, in words.
func (f *fakeFlow) told() (told []string) {
	f.Helper()
	var names measurement.NameAssembler
	for _, s := range f.samples() {
		id := s.Session - measurement.ReflectedIDs
		switch s.Kind {
		case measurement.KindName:
			if text, complete := names.Add(&s); complete {
				told = append(told, fmt.Sprintf("%d is %s", id, text))
			}
		case measurement.KindEnd:
			told = append(told, fmt.Sprintf("%d ends", id))
		case measurement.KindMetric:
			told = append(told, fmt.Sprintf("%d %s", id, s.Metric))
		}
	}
	return told
}

func (f *fakeFlow) wantTold(want ...string) {
	f.Helper()
	if got := f.told(); strings.Join(got, "; ") != strings.Join(want, "; ") {
		f.Errorf("told %q, want %q", got, want)
	}
}

func TestStampSessionIsNamedByItsIdentity(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	probe := func(seq uint32, tlvs []byte) {
		f.giveProbe(stampProbe{seq: seq, t1: t2 + clock.Wall(seq), tlvs: tlvs})
	}
	probe(0, identityTLV(t, "prober", "isp:local", "it's"))
	f.wantTold(`0 is prober|['isp:local', "it's"]`, "0 udp.wan.owd")
	probe(1, nil)
	probe(2, identityTLV(t, "prober", "isp:local", "it's"))
	f.wantTold("0 udp.wan.owd", "0 udp.wan.owd")
	probe(3, identityTLV(t, "prober"))
	f.wantTold("0 ends", "1 is prober|[]", "1 udp.wan.owd")
	// Too early for another one: answered, not measured.
	probe(4, identityTLV(t, "other"))
	f.wantTold()
	f.counts(selfstats.ProbesRenamed, 1)
	f.sessions.flows[flowKey{fakeRemote, fakeLocal, 0, false}].renamed = 1
	probe(5, identityTLV(t, "other"))
	f.wantTold("1 ends", "2 is other|[]", "2 udp.wan.owd")
	f.counts(selfstats.SessionsOpened, 1)
}

func TestStampSessionIsNamedByItsAddressBeforeItsIdentity(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	f.giveProbe(stampProbe{seq: 0})
	f.wantTold("0 is 192.0.2.1|", "0 udp.wan.owd")
	f.giveProbe(stampProbe{seq: 1, t1: t2 + 1, tlvs: identityTLV(t, "prober")})
	f.wantTold("0 ends", "1 is prober|[]", "1 udp.wan.owd")
	f.giveProbe(stampProbe{seq: 2, t1: t2 + 2})
	f.wantTold("1 udp.wan.owd")
}

func TestIdentityThatCannotBeToldIsNone(t *testing.T) {
	identities := map[string][]byte{
		"a bar in the name":  identityTLV(t, "a|b"),
		"a control":          identityTLV(t, "a\nb"),
		"a long name":        identityTLV(t, strings.Repeat("n", 65)),
		"too many tags":      identityTLV(t, "a", strings.Split(strings.Repeat("t,", 1400), ",")...),
		"tags with controls": identityTLV(t, "a", strings.Repeat("\x00", 1100)),
	}
	for name, tlv := range identities {
		t.Run(name, func(t *testing.T) {
			f := newFakeFlow(t, Stamp{})
			f.sockets[0].buffers[0] = make([]byte, 0, 1<<16)
			f.giveProbe(stampProbe{tlvs: tlv})
			f.wantTold("0 is 192.0.2.1|", "0 udp.wan.owd")
		})
	}
}

// A batch in which the name changes: each sample goes under the name of its time.
func TestIdentityChangesWithinABatch(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	var batch []packetio.Packet
	for i, tlvs := range [][]byte{nil, identityTLV(t, "a"), nil, identityTLV(t, "b"), identityTLV(t, "b")} {
		batch = append(batch, packetio.Packet{Data: stampPacket(t, stampProbe{seq: uint32(i), t1: t2 + clock.Wall(i), tlvs: tlvs})})
	}
	if replies := f.give(batch...); len(replies) != 5 {
		t.Errorf("%d replies, want 5", len(replies))
	}
	f.wantTold("0 is 192.0.2.1|", "0 udp.wan.owd", "0 ends", "1 is a|[]", "1 udp.wan.owd", "1 udp.wan.owd",
		"1 ends", "2 is b|[]", "2 udp.wan.owd", "2 udp.wan.owd")
}

func TestStampSessionsAreToldApartAndLimited(t *testing.T) {
	f := newFakeFlow(t, Stamp{}) // for four sessions
	other := netip.MustParseAddrPort("192.0.2.1:1235")
	for i, p := range []packetio.Packet{
		{Data: stampPacket(t, stampProbe{ssid: 1, t1: t2})},
		{Data: stampPacket(t, stampProbe{ssid: 2, t1: t2})},
		{Data: stampPacket(t, stampProbe{ssid: 1, t1: t2}), Remote: other},
		{Data: probe(1).bytes(), Remote: netip.MustParseAddrPort("192.0.2.1:1236")},
	} {
		if replies := f.give(p); len(replies) != 1 {
			t.Errorf("session %d: %d replies, want 1", i, len(replies))
		}
	}
	f.told()
	for i := range 3 {
		if replies := f.give(packetio.Packet{Data: stampPacket(t, stampProbe{ssid: uint16(10 + i), t1: t2})}); len(replies) > 0 {
			t.Error("a session beyond the limit is answered")
		}
	}
	f.counts(selfstats.SessionsOpened, 4)
	f.counts(selfstats.SessionsRefused, 3)
	f.clean(clock.MonoNow().Add(idleSession + 2*idleConnection))
	f.counts(selfstats.SessionsExpired, 4)
	f.wantTold("0 ends", "1 ends", "2 ends", "3 ends")
	if p, _ := f.giveProbe(stampProbe{ssid: 1, seq: 9}); p.Seq != 0 { // in memory that was used
		t.Errorf("reply %d in a new session, want 0", p.Seq)
	}
	if len(f.sessions.flows) != 1 || f.sessions.flowMemory.open() != 1 || f.sessions.flowMemory.size != 4 {
		t.Errorf("%d sessions, memory for %d of %d, want 1, 1, 4", len(f.sessions.flows), f.sessions.flowMemory.open(), f.sessions.flowMemory.size)
	}
}

// The name comes again when there was no room on the ring for it.
func TestIdentityIsToldAgainAfterAFullRing(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	filler := measurement.Sample{Kind: measurement.KindEnd}
	for f.config.Ring.PushAll(1, func(int) measurement.Sample { return filler }) {
	}
	f.giveProbe(stampProbe{seq: 0, tlvs: identityTLV(t, "prober")})
	f.samples()
	f.giveProbe(stampProbe{seq: 1, t1: t2 + 1})
	f.wantTold("0 udp.wan.owd")
	f.giveProbe(stampProbe{seq: 2, t1: t2 + 2, tlvs: identityTLV(t, "prober")})
	f.wantTold("0 is prober|[]", "0 udp.wan.owd")
}

// A name that comes with a loss, ahead of another session's losses in the same batch.
func TestLossesAreToldWhenTheNameChanges(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	const apart = clock.Wall(5e9)
	var batch []packetio.Packet
	for ssid := range uint16(2) {
		for _, seq := range []uint32{0, 1, 500, 501} {
			q := stampProbe{seq: seq, ssid: ssid, t1: t2 - clock.Wall(ssid)*apart + clock.Wall(seq)}
			if seq == 501 {
				q.tlvs = identityTLV(t, "prober")
			}
			batch = append(batch, packetio.Packet{Data: stampPacket(t, q)})
		}
	}
	f.give(batch...)
	lost := map[int64]int64{}
	for _, s := range f.samples() {
		if s.Kind == measurement.KindMetric && s.Metric == measurement.UDPLoss {
			lost[(int64(t2)+1000-s.Time)/int64(apart)] += s.Value
		}
	}
	if want := int64(501 - 2 + 1 - 128); lost[0] != want || lost[1] != want {
		t.Errorf("lost %v, want %d of each", lost, want)
	}
}

// An identity costs no memory, however long it is written out.
func TestLongestIdentitiesFitIntoTheMemoryForThem(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	before := cap(f.identity)
	for _, tag := range []string{"\x00", "\U000e0001", "", "'", "x"} {
		for size := 1; size <= 1<<12; size *= 2 {
			f.spell(stamp.SessionIdentity(identityTLV(t, "prober", slices.Repeat([]string{tag}, size)...)[4:]))
			f.spell(stamp.SessionIdentity(identityTLV(t, "prober", strings.Repeat(tag, min(size, 10_000)))[4:]))
		}
	}
	if cap(f.identity) != before {
		t.Errorf("memory for %d octets, want %d as before", cap(f.identity), before)
	}
}
