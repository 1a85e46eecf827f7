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
