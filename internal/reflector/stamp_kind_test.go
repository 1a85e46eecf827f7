package reflector

import (
	"bytes"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/textproto"
)

func TestKindOfAnAddressSticks(t *testing.T) {
	longText := probe(1)
	longText.tags = "not a list, but long enough for STAMP"
	almost := longText.bytes()
	almost[0] = '_' // no text, and good enough for STAMP
	f := newFakeFlow(t, Stamp{})
	text := probe(1)
	f.give(packetio.Packet{Data: text.bytes()})
	if replies := f.give(packetio.Packet{Data: almost}); len(replies) > 0 {
		t.Errorf("what is no text is answered: %q", replies[0].Data)
	}
	f.counts(selfstats.ProbesMalformed, 1)
	text.padding, text.seq = textproto.StampQuery, 2
	replies := f.give(packetio.Packet{Data: text.bytes()})
	if len(replies) != 1 || !bytes.HasSuffix(replies[0].Data, []byte(textproto.StampAnswer)) {
		t.Errorf("replies %q, want one with %s", f.conn.replies, textproto.StampAnswer)
	}
	// Whoever asked may go over, and back.
	if p, _ := f.giveProbe(stampProbe{seq: 0}); p.Seq != 0 {
		t.Errorf("reply %d, want 0", p.Seq)
	}
	text.seq = 3
	if replies := f.give(packetio.Packet{Data: text.bytes()}); len(replies) != 1 {
		t.Errorf("%d replies to text after STAMP, want 1", len(replies))
	}
	// What could be text is STAMP when it is of a session that is.
	both := probe(5).bytes()
	both = append(both, make([]byte, 30)...)
	f.giveProbe(stampProbe{seq: 0, ssid: uint16(both[14])<<8 | uint16(both[15])})
	if replies := f.give(packetio.Packet{Data: both}); len(replies) == 1 && bytes.Contains(replies[0].Data, []byte(ourName)) {
		t.Errorf("answered as text: %q", replies[0].Data)
	}
}

// Text with a forged source does not shut off a STAMP session, nor keep one with a key from beginning.
func TestForgedTextDoesNotShutOffStamp(t *testing.T) {
	for _, key := range []string{"", testKey} {
		for name, known := range map[string]bool{"a session that is": true, "one that begins": false} {
			if key == "" && !known {
				continue // it may be the text that is genuine
			}
			t.Run(name+" with key "+key, func(t *testing.T) {
				f := newFakeFlow(t, Stamp{Keys: [][]byte{[]byte(testKey)}})
				if known {
					f.giveProbe(stampProbe{ssid: 5, key: key})
				}
				text := probe(1)
				for seq := range uint32(10) {
					text.seq++
					f.give(packetio.Packet{Data: text.bytes()})
					f.giveProbe(stampProbe{seq: 1 + seq, ssid: 5, key: key, t1: t2 + clock.Wall(seq+1)})
				}
				f.counts(selfstats.ProbesMalformed, 0)
			})
		}
	}
}

// What is no text from an address that sends text is malformed, whatever else it may be.
func TestWhatIsNoTextOfATextSessionIsMalformed(t *testing.T) {
	f := newFakeFlow(t, Stamp{Keys: [][]byte{[]byte(testKey)}})
	f.give(packetio.Packet{Data: probe(1).bytes()})
	short, forged, noMultiplier := stampPacket(t, stampProbe{})[:20], stampPacket(t, stampProbe{key: "forged"}), stampPacket(t, stampProbe{})
	noMultiplier[13] = 0
	for _, data := range [][]byte{short, forged, noMultiplier, stampPacket(t, stampProbe{t1: t2})} {
		if replies := f.give(packetio.Packet{Data: data}); len(replies) > 0 {
			t.Errorf("% x is answered", data)
		}
	}
	f.counts(selfstats.ProbesMalformed, 4)
}

func TestTextSessionThatWentOverToStampMakesRoom(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	text := probe(1)
	text.padding = textproto.StampQuery
	f.give(packetio.Packet{Data: text.bytes()})
	f.giveProbe(stampProbe{})
	f.clean(clock.MonoNow().Add(f.config.Timeout))
	f.counts(selfstats.SessionsExpired, 0)
	f.clean(clock.MonoNow().Add(f.config.Timeout + 2*time.Minute))
	f.counts(selfstats.SessionsExpired, 1)
	if len(f.sessions.flows) != 1 || len(f.sessions.udp) != 0 {
		t.Errorf("%d STAMP and %d text sessions, want the former", len(f.sessions.flows), len(f.sessions.udp))
	}
}
