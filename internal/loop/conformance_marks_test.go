package loop

import (
	"net/netip"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/packetio"
)

var marked = packetio.Options{MaxSize: 1470, Batch: batch, Marks: true}

// observer is a rig whose sockets tell TOS and TTL: r itself, if it can.
func (r *rig) observer() *rig {
	r.Helper()
	if r.marks {
		return r
	}
	for _, i := range implementations() {
		if i.marks {
			return newRig(r.T, i)
		}
	}
	r.Skip("not on this platform: TOS and TTL of received packets")
	return nil
}

func TestUDPTOSAndTTLArriveAsSent(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		o := r.observer()
		sender, receiver := r.listenUDP(loopback, small, senderToken), o.listenUDP(loopback, marked, receiverToken)
		tests := []struct {
			name     string
			tos, ttl uint8 // 0 = the system's
		}{
			{"the system's own", 0, 0},
			{"a DSCP", 46 << 2, 0},
			{"a TTL", 0, 255},
			{"the system's own after others", 0, 0},
			{"a DSCP with ECN and a TTL", 10<<2 | 1, 17},
			{"the same", 10<<2 | 1, 17},
			{"the largest", 0xff, 0xff},
			{"the smallest", 1, 1},
			{"the system's own at last", 0, 0},
		}
		sent := packetsTo(receiver.LocalAddr(), len(tests))
		for i, tt := range tests {
			sent[i].TOS, sent[i].TTL = tt.tos, tt.ttl
			if i%2 == 0 {
				sent[i].Local = loopback
			}
		}
		r.send(sender, sent)
		got := o.receive(receiver, receiverToken, len(tests))
		system := got[0].TTL
		if system < 32 {
			r.Errorf("the system's TTL is %d", system)
		}
		for i, tt := range tests {
			wantTTL := tt.ttl
			if wantTTL == 0 {
				wantTTL = system
			}
			if got[i].TOS != tt.tos || got[i].TTL != wantTTL {
				r.Errorf("%s: TOS %#x and TTL %d arrived, want %#x and %d", tt.name, got[i].TOS, got[i].TTL, tt.tos, wantTTL)
			}
		}
	})
}

func TestUDPTOSAndTTLAreUnknownToWhoDoesNotAsk(t *testing.T) {
	eachFamily(t, func(r *rig, loopback netip.Addr) {
		sender, receiver := r.listenUDP(loopback, small, senderToken), r.listenUDP(loopback, small, receiverToken)
		sent := packetsTo(receiver.LocalAddr(), 1)
		sent[0].TOS, sent[0].TTL = 46<<2, 255
		r.send(sender, sent)
		if p := r.receive(receiver, receiverToken, 1)[0]; p.TOS != 0 || p.TTL != 0 {
			r.Errorf("TOS %#x and TTL %d, want 0 and 0", p.TOS, p.TTL)
		}
	})
}
