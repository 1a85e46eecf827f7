package sender

import (
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/stamp"
)

// probed sends the next probe, tells whether it carries a TLV, and has it answered.
func (l *lossy) probed(tlv stamp.Type) bool {
	l.Helper()
	l.nextSlot()
	probe := l.peer.next()
	_, there := l.peer.tlvs(probe)[tlv]
	l.peer.answer(probe)
	l.step()
	return there
}

// probedWith sends and answers n probes and counts those that carry a TLV.
func (l *lossy) probedWith(tlv stamp.Type, n int) (count int) {
	l.Helper()
	for range n {
		if l.probed(tlv) {
			count++
		}
	}
	return count
}

// aSecond is how many slots of a lossy session are a little more than one.
const aSecond = int(time.Second/(10*time.Millisecond)) + 5

// There may be room for the padding of most probes and not for the identity and padding too.
func TestPaddingThatAProbeDoesNotCarryIsNotMissed(t *testing.T) {
	l := newLossy(t, func(s *measurement.Session, _ *stampPeer) { s.Size = 80 })
	identities, padded := 0, 0
	for range 3 * aSecond {
		l.nextSlot()
		probe := l.peer.next()
		tlvs := l.peer.tlvs(probe)
		if tlvs[stamp.TypeSessionIdentity] != nil {
			identities++
		}
		if _, there := tlvs[stamp.TypeExtraPadding]; there {
			padded++
		}
		l.peer.answer(probe)
		l.step()
	}
	if identities < 3 || identities+padded != 3*aSecond {
		t.Errorf("of %d probes %d carry the identity and %d padding, want one of both each", 3*aSecond, identities, padded)
	}
}

func TestTLVThatIsRefusedIsNotSentAgainAsLongAsTheFarEndIsTheSame(t *testing.T) {
	l := newLossy(t, func(_ *measurement.Session, p *stampPeer) {
		p.stateless = true
		p.rewrite = func(r *stampReflection) { r.DirectMeasurement = nil }
	})
	if n := l.probedWith(stamp.TypeDirectMeasurement, 3*aSecond); n < 1 || n > 2 {
		t.Errorf("%d probes carry the TLV, want none but the first", n)
	}
}

// It may be that a stateful reflector takes the place of a stateless one.
func TestTLVThatWasRefusedIsSentAgainAfterAnOutage(t *testing.T) {
	l := newLossy(t, func(s *measurement.Session, p *stampPeer) {
		s.MaxLost, p.stateless = 3, true
		p.rewrite = func(r *stampReflection) { r.DirectMeasurement = nil }
	})
	l.play("...fff")
	l.settle()
	l.peer.stateless, l.peer.rewrite = false, nil
	l.play(".")
	if n := l.probedWith(stamp.TypeDirectMeasurement, 10); n != 10 {
		t.Errorf("%d of 10 probes carry the TLV, want all", n)
	}
}

// A router may take over the address of a daemon, and give it back.
func TestOWDAtSenderBeginsAndEndsWithTheReflectorThatKnowsNoIdentity(t *testing.T) {
	routers := map[string]func(p *stampPeer){
		"sends TLVs back": func(p *stampPeer) { p.noTLVs = true },
		"cuts TLVs":       func(p *stampPeer) { p.noTLVs, p.length = true, stamp.BaseSize },
		"answers with 38": func(p *stampPeer) { p.noTLVs, p.length = true, 38 },
		"knows other TLVs": func(p *stampPeer) {
			p.unknown = stamp.TypeSessionIdentity
		},
	}
	for name, replace := range routers {
		t.Run(name, func(t *testing.T) {
			l := newLossy(t, func(s *measurement.Session, _ *stampPeer) { s.OWD = measurement.OWDAuto })
			daemon := *l.peer
			for range 2 {
				*l.peer = daemon
				l.probedWith(stamp.TypeSessionIdentity, aSecond)
				l.published(measurement.UDPOWDForward)
				l.probedWith(stamp.TypeSessionIdentity, aSecond)
				if n := l.published(measurement.UDPOWDForward); n != 0 {
					t.Errorf("%d one-way delays to a daemon, want 0", n)
				}
				replace(l.peer)
				l.probedWith(stamp.TypeSessionIdentity, aSecond)
				l.published(measurement.UDPOWDForward)
				identities := l.probedWith(stamp.TypeSessionIdentity, aSecond)
				if n := l.published(measurement.UDPOWDForward); n != aSecond {
					t.Errorf("%d one-way delays to a router, want %d", n, aSecond)
				}
				if identities < 1 || identities > 2 {
					t.Errorf("%d probes to a router in a second carry the identity, want one", identities)
				}
			}
		})
	}
}

// The way there and back takes longer than the identity is sent for without a reply, and all of those
// probes are lost.
func TestIdentityIsSentFromTheFirstReplyUntilItIsKept(t *testing.T) {
	const away = 15
	l := newLossy(t, func(*measurement.Session, *stampPeer) {})
	var under []request
	for i := range 60 {
		l.nextSlot()
		probe := l.peer.next()
		_, there := l.peer.tlvs(probe)[stamp.TypeSessionIdentity]
		firstReply := identityProbes + away
		if want := i < identityProbes || i > firstReply && i <= firstReply+1+away; there != want {
			t.Errorf("probe %d carries the identity: %v, want %v", i, there, want)
		}
		if under = append(under, probe); i >= firstReply {
			l.peer.answer(under[i-away])
			l.step()
		}
	}
}

// Its replies never tell whether the far end keeps it.
func TestOneWaySessionWithoutAnIdentityAsksForFewReplies(t *testing.T) {
	l := newLossy(t, func(s *measurement.Session, _ *stampPeer) { s.RTT, s.Source = false, "\xff" })
	if n := l.probedWith(stamp.TypeReturnPath, 3*aSecond); n < 3*aSecond-4 || n == 3*aSecond {
		t.Errorf("%d of %d probes ask for no reply, want all but one a second", n, 3*aSecond)
	}
}
