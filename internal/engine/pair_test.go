package engine

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestTwoEnginesMeasureEachOther(t *testing.T) {
	eachFamily(t, func(t *testing.T, m Mode, ip netip.Addr) {
		c := testConfig(m)
		c.Address = ip
		a, b := newHost(t, c, nil), newHost(t, c, nil)
		for _, pair := range [][2]*host{{a, b}, {b, a}} {
			prober, target := pair[0], pair[1]
			prober.Add(session(1, measurement.UDP, target.udp(0)))
			prober.Add(session(2, measurement.TCP, target.tcp(0)))
			prober.Add(session(3, measurement.TCPConnect, target.tcp(0)))
			prober.Start()
		}
		for _, h := range []*host{a, b} {
			wantRTT(t, m, h.measured(1, measurement.UDPRTT))
			wantRTT(t, m, h.measured(2, measurement.TCPRTT))
			wantOWD(t, m, h.received(measurement.UDPOWD))
			wantOWD(t, m, h.received(measurement.TCPOWD))
			if s := h.measured(3, measurement.TCPLatency); s.Value <= 0 || s.Received != source(m) {
				t.Errorf("connect latency %d from %v, want more than 0 from %v", s.Value, s.Received, source(m))
			}
		}
	})
}

// source is where a mode's receive timestamps come from.
func source(m Mode) measurement.TimestampSource {
	if m == Linux {
		return measurement.SourceKernel
	}
	return measurement.SourceUser
}

func wantRTT(t *testing.T, m Mode, s measurement.Sample) {
	t.Helper()
	if s.Value <= 0 || s.Value != s.T4-s.T1 || s.T2 < s.T1 || s.T4 < s.T2 || s.Received != source(m) {
		t.Errorf("%+v, want value T4 - T1, T1, T2, T4 in order, T4 from %v", s, source(m))
	}
}

func wantOWD(t *testing.T, m Mode, s measurement.Sample) {
	t.Helper()
	if s.Value < 0 || s.Value != s.T2-s.T1 || s.Time != s.T2 || s.Received != source(m) {
		t.Errorf("%+v, want value T2 - T1, 0 or more, at T2, which is from %v", s, source(m))
	}
}

func TestWithoutAddressBothFamiliesAreAnswered(t *testing.T) {
	each(t, func(t *testing.T, m Mode) {
		c := testConfig(m)
		c.Address = netip.Addr{}
		h := newHost(t, c, nil)
		h.Start()
		for _, ip := range []string{"127.0.0.1", "::1"} {
			listens := h.listens(netip.MustParseAddr(ip))
			if len(listens) != 2 {
				t.Skipf("not on this platform: no address %s: %q", ip, h.noted())
			}
			h.Add(session(1, measurement.UDP, listens[0]))
			h.Add(session(2, measurement.TCP, listens[1]))
			h.measured(1, measurement.UDPRTT)
			h.measured(2, measurement.TCPRTT)
		}
	})
}

// listens is where, over UDP and TCP, a host on all addresses answers at ip.
func (h *host) listens(ip netip.Addr) (found []netip.AddrPort) {
	reflector := h.spies.of(h.Mode())[1]
	for _, local := range append(reflector.udp[:len(reflector.udp):len(reflector.udp)], reflector.tcp...) {
		if local.Addr().Is4() == ip.Is4() {
			found = append(found, netip.AddrPortFrom(ip, local.Port()))
		}
	}
	return found
}

func TestHostWithoutIPv6AnswersOverIPv4AndTellsOnce(t *testing.T) {
	noIPv6 := func(c call) error {
		if (c.what == listensUDP || c.what == listensTCP) && c.at.Addr().Is6() {
			return syscall.EAFNOSUPPORT
		}
		return nil
	}
	each(t, func(t *testing.T, m Mode) {
		c := testConfig(m)
		c.Address = netip.Addr{}
		h := newHost(t, c, noIPv6)
		h.Start()
		h.Add(session(1, measurement.UDP, h.listens(loopback)[0]))
		h.Add(session(2, measurement.TCP, h.listens(loopback)[1]))
		h.measured(1, measurement.UDPRTT)
		h.measured(2, measurement.TCPRTT)
		if notes := h.noted(); len(notes) != 1 || !strings.Contains(notes[0], "no IPv6") {
			t.Errorf("told %q, want one line about IPv6", notes)
		}
	})
}

func TestIPv6AddressThatWasAskedForIsNotOptional(t *testing.T) {
	each(t, func(t *testing.T, m Mode) {
		c := testConfig(m)
		c.Address = netip.IPv6Unspecified()
		_, err := tryHost(t, c, func(c call) error {
			if c.what == listensTCP {
				return syscall.EAFNOSUPPORT
			}
			return nil
		})
		if err == nil {
			t.Error("New = no error, want that of listening")
		}
	})
}
