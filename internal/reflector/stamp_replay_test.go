package reflector

import (
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

func TestReplaysAreNotAnswered(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	var recorded []packetio.Packet
	for seq := range uint32(200) {
		q := stampProbe{seq: seq, t1: t2 + clock.Wall(seq)}
		recorded = append(recorded, packetio.Packet{Data: stampPacket(t, q)})
		f.giveProbe(q)
	}
	f.samples()
	for _, p := range recorded {
		if replies := f.give(p); len(replies) > 0 {
			t.Fatalf("a replay is answered: % x", replies[0].Data)
		}
	}
	f.counts(selfstats.ProbesDuplicate, 200)
	if samples := f.samples(); len(samples) > 0 {
		t.Errorf("a replay is published: %+v", samples[0])
	}
	if p, _ := f.giveProbe(stampProbe{seq: 200, t1: t2 + 200}); p.Seq != 200 {
		t.Errorf("the next reply has number %d, want 200", p.Seq)
	}
}

// Replays after a silence: with a key they are nothing; without, they are not measured.
func TestReplaysAfterASilenceAreNotMeasured(t *testing.T) {
	for _, key := range []string{"", testKey} {
		f := newFakeFlow(t, Stamp{Keys: [][]byte{[]byte(testKey)}})
		var recorded []packetio.Packet
		for seq := range uint32(300) {
			q := stampProbe{seq: seq, key: key, t1: t2 + clock.Wall(seq)}
			recorded = append(recorded, packetio.Packet{Data: stampPacket(t, q), Remote: fakeRemote, Local: fakeLocal, At: t2})
			f.giveProbe(q)
		}
		f.samples()
		now, s := clock.MonoNow().Add(time.Minute), f.sockets[0]
		for i := range 100 {
			for k := range 7 {
				s.replies = s.replies[:0]
				f.reflect(s, 0, &recorded[i%2*140+k], now.Add(time.Duration(i)*time.Minute))
				if key != "" && len(s.replies) > 0 {
					t.Fatalf("a replay is answered: % x", s.replies[0].Data)
				}
			}
			f.publishArrived()
		}
		if samples := f.samples(); len(samples) > 0 {
			t.Errorf("key %q: a replay is published: %+v", key, samples[0])
		}
		if p, _ := f.giveProbe(stampProbe{seq: 300, key: key, t1: t2 + 300}); p.Seq != 300 {
			t.Errorf("key %q: the next reply has number %d, want 300", key, p.Seq)
		}
	}
}

func TestSenderThatBeginsAnewWithItsClockSetBackIsMeasuredOnceThatIsSure(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	for seq := range uint32(300) {
		f.giveProbe(stampProbe{seq: seq, t1: t2 + clock.Wall(seq)})
	}
	f.samples()
	now, s := clock.MonoNow().Add(time.Minute), f.sockets[0]
	const probes = 20
	for seq := range uint32(probes) {
		q := stampProbe{seq: seq, t1: t2 - clock.Wall(time.Hour) + clock.Wall(seq), tlvs: stamp.AppendDirectMeasurement(nil)}
		s.replies = s.replies[:0]
		f.reflect(s, 0, &packetio.Packet{Data: stampPacket(t, q), Remote: fakeRemote, Local: fakeLocal, At: t2}, now)
		if len(s.replies) != 1 {
			t.Fatalf("%d replies to probe %d, want 1", len(s.replies), seq)
		}
		p, err := q.codec(t).DecodeReflector(s.replies[0].Data)
		if err != nil || p.Seq != seq {
			t.Fatalf("reply %d has number %d, error %v", seq, p.Seq, err)
		}
		f.publishArrived()
	}
	measured := 0
	for _, sample := range f.samples() {
		if sample.Kind == measurement.KindMetric {
			measured++
		}
	}
	if measured == 0 || measured > probes/2+3 {
		t.Errorf("%d points, want some, but none while it was on trial", measured)
	}
	f.counts(selfstats.ProbesMissing, 0)
}

// A stateless reflector answers copies, but not the same packet without an end.
func TestStatelessReflectorAnswersSomeCopies(t *testing.T) {
	f := newFakeFlow(t, Stamp{Stateless: true})
	data := stampPacket(t, stampProbe{t1: t2})
	for range 10 * circleProbes {
		f.give(packetio.Packet{Data: data})
	}
	f.counts(selfstats.ProbesReflected, 1+circleProbes)
}

func TestSenderThatBeginsAnewIsAnsweredFromZero(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	for seq := range uint32(1000) {
		f.giveProbe(stampProbe{seq: seq, t1: t2 + clock.Wall(seq)})
	}
	for seq := range uint32(1000) {
		if p, _ := f.giveProbe(stampProbe{seq: seq, t1: t2 + 5000 + clock.Wall(seq)}); p.Seq != seq {
			t.Fatalf("reply %d after the restart has number %d", seq, p.Seq)
		}
	}
	f.counts(selfstats.ProbesMissing, 0)
	f.counts(selfstats.ProbesDuplicate, 0)
}
