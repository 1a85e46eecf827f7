package engine

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestSessionsAddedBeforeAndAfterStartAreMeasured(t *testing.T) {
	each(t, func(t *testing.T, m Mode) {
		h := newHost(t, testConfig(m), nil)
		add := func(first measurement.SessionID) {
			h.Add(session(first, measurement.UDP, h.udp(0)))
			h.Add(session(first+1, measurement.TCP, h.tcp(0)))
			h.Add(session(first+2, measurement.TCPConnect, h.tcp(0)))
		}
		add(1)
		h.Start()
		add(11)
		for _, first := range []measurement.SessionID{1, 11} {
			h.measured(first, measurement.UDPRTT)
			h.measured(first+1, measurement.TCPRTT)
			h.measured(first+2, measurement.TCPLatency)
		}
	})
}

func TestSessionAddedAgainGoesOnWithItsNewAddress(t *testing.T) {
	each(t, func(t *testing.T, m Mode) {
		h := newHost(t, testConfig(m), nil)
		before, after := newPeer(t, anyPort), newPeer(t, anyPort)
		h.Start()
		h.Add(session(1, measurement.UDP, before.addr()))
		before.receive()
		h.Add(session(1, measurement.UDP, after.addr()))
		for range 3 {
			after.answer(after.receive())
		}
		moved := h.measured(1, measurement.UDPRTT).Time
		if sent := before.waiting(); len(sent) > 0 && slices.Max(sent) >= moved {
			t.Errorf("the old address was probed at %d, the new one since %d", slices.Max(sent), moved)
		}
	})
}

func TestRemovedSessionIsProbedNoMore(t *testing.T) {
	each(t, func(t *testing.T, m Mode) {
		h := newHost(t, testConfig(m), nil)
		removed, kept := newPeer(t, anyPort), newPeer(t, anyPort)
		h.Start()
		h.Add(session(1, measurement.UDP, removed.addr()))
		h.Add(session(2, measurement.UDP, kept.addr()))
		removed.receive()
		h.Remove(1)
		h.obeyed()
		end := int64(clock.WallNow())
		kept.waiting()
		for range 5 {
			kept.receive()
		}
		for _, sent := range removed.waiting() {
			if sent > end {
				t.Errorf("a probe was sent at %d, after the session had ended by %d", sent, end)
			}
		}
		h.Remove(1) // is none any more
		kept.receive()
	})
}

func TestDrainClosesItsChannelAfterTheLastProbe(t *testing.T) {
	each(t, func(t *testing.T, m Mode) {
		t.Run("is answered", func(t *testing.T) {
			h := newHost(t, testConfig(m), nil)
			target := newPeer(t, anyPort)
			h.Start()
			h.Add(session(1, measurement.UDP, target.addr()))
			first := target.receive()
			drained := h.Drain()
			h.obeyed()
			sent := h.count(selfstats.SlotsSent)
			rest := make([]probe, sent-1)
			for i := range rest {
				rest[i] = target.receive()
			}
			for _, p := range rest {
				target.answer(p)
			}
			select {
			case <-drained:
				t.Error("closed with a probe on its way")
			default:
			}
			target.answer(first)
			closes(t, "drained", drained)
			if got := h.count(selfstats.ProbesAnswered); got != sent {
				t.Errorf("%d probes answered, want all %d", got, sent)
			}
			if late := target.waiting(); len(late) > 0 {
				t.Errorf("%d probes were sent after the drain", len(late))
			}
		})
		t.Run("is lost", func(t *testing.T) {
			h := newHost(t, testConfig(m), nil)
			target := newPeer(t, anyPort)
			s := session(1, measurement.UDP, target.addr())
			s.Timeout = 50 * time.Millisecond
			h.Start()
			h.Add(s)
			target.receive()
			closes(t, "drained", h.Drain())
			if sent, lost := h.count(selfstats.SlotsSent), h.count(selfstats.ProbesLost); sent == 0 || lost != sent {
				t.Errorf("%d of %d probes lost, want all", lost, sent)
			}
			h.measured(1, measurement.UDPLoss)
		})
	})
}

func TestOthersAreAnsweredAfterDrain(t *testing.T) {
	each(t, func(t *testing.T, m Mode) {
		h := newHost(t, testConfig(m), nil)
		other := newPeer(t, anyPort)
		h.Start()
		h.Add(session(1, measurement.UDP, h.udp(0)))
		h.Add(session(2, measurement.TCP, h.tcp(0)))
		h.measured(1, measurement.UDPRTT)
		h.measured(2, measurement.TCPRTT)
		closes(t, "drained", h.Drain())
		for range 3 {
			other.ask(h.udp(0))
		}
		h.Add(session(3, measurement.UDP, h.udp(0))) // comes too late
		h.obeyed()
		sent := h.count(selfstats.SlotsSent)
		h.obeyed()
		if now := h.count(selfstats.SlotsSent); now != sent {
			t.Errorf("%d probes sent after the drain", now-sent)
		}
	})
}

func TestSizeBeyondADatagramIsSentAsWhatFitsAndToldOnce(t *testing.T) {
	fits := map[bool]int{true: 65507, false: 65527} // IPv4, IPv6
	eachFamily(t, func(t *testing.T, m Mode, ip netip.Addr) {
		h := newHost(t, testConfig(m), nil)
		target := newPeer(t, netip.AddrPortFrom(ip, 0))
		s := session(1, measurement.UDP, target.addr())
		s.Size = 65535
		h.Add(s)
		h.Start()
		h.Add(s)
		if got, want := target.receive().size, fits[ip.Is4()]; got != want {
			t.Errorf("a probe of %d octets, want %d", got, want)
		}
		notes := h.noted()
		if len(notes) != 1 || !strings.Contains(notes[0], "65535") || !strings.Contains(notes[0], `"target"`) {
			t.Errorf("told %q, want one line with target and size", notes)
		}
	})
}

func TestSizeBeyondADatagramIsNothingToTellOverTCP(t *testing.T) {
	each(t, func(t *testing.T, m Mode) {
		c := testConfig(m)
		c.MaxSize = 65535
		h := newHost(t, c, nil)
		s := session(1, measurement.TCP, h.tcp(0))
		s.Size = 65535
		h.Add(s)
		h.Start()
		h.measured(1, measurement.TCPRTT)
		if notes := h.noted(); len(notes) > 0 {
			t.Errorf("told %q, want nothing", notes)
		}
	})
}
