package engine

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestNewFailsNamingTheAddressAndLeavesNothing(t *testing.T) {
	udp, tcp := newPeer(t, anyPort).addr(), listener(t)
	notOurs := netip.MustParseAddr("192.0.2.1") // of TEST-NET-1 (RFC 5737)
	tests := []struct {
		name    string
		change  func(c *Config)
		want    error
		address string
	}{
		{"UDP port in use", func(c *Config) { c.UDPPort = udp.Port() }, syscall.EADDRINUSE, "udp " + udp.String()},
		{"TCP port in use", func(c *Config) { c.TCPPort = tcp.Port() }, syscall.EADDRINUSE, "tcp " + tcp.String()},
		{"address that is not ours", func(c *Config) { c.Address = notOurs }, syscall.EADDRNOTAVAIL, "udp 192.0.2.1:0"},
		{"address that is not ours, TCP only", func(c *Config) { c.Address, c.UDP = notOurs, false },
			syscall.EADDRNOTAVAIL, "tcp 192.0.2.1:0"},
	}
	each(t, func(t *testing.T, m Mode) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				c := testConfig(m)
				tt.change(&c)
				leavesNothing(t, func() {
					_, err := tryHost(t, c, nil)
					if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.address) {
						t.Errorf("New = %v, want %v naming %s", err, tt.want, tt.address)
					}
				})
			})
		}
	})
}

// listener is an address where somebody else listens over TCP.
func listener(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(anyPort))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestNewFailsWithARingSizeThatIsNoPowerOfTwo(t *testing.T) {
	each(t, func(t *testing.T, m Mode) {
		c := testConfig(m)
		c.RingSize = 1000
		leavesNothing(t, func() {
			if _, err := tryHost(t, c, nil); err == nil || !strings.Contains(err.Error(), "1000") {
				t.Errorf("New = %v, want an error naming 1000", err)
			}
		})
	})
}

var errNoPoller = errors.New("no poller today")

// without is a hook on a system where the first or the second Linux poller can't be had.
func without(first bool) hook {
	return func(c call) error {
		if c.what == opens && c.mode == Linux && c.first == first {
			return errNoPoller
		}
		return nil
	}
}

func TestAutoFallsBackToPortableAndTellsOnce(t *testing.T) {
	for name, first := range map[string]bool{"without the first poller": true, "without the second poller": false} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, testConfig(Auto), without(first))
			if h.Mode() != Portable {
				t.Errorf("mode %s, want %s", h.Mode(), Portable)
			}
			if notes := h.noted(); len(notes) != 1 || !strings.Contains(notes[0], errNoPoller.Error()) {
				t.Errorf("told %q, want one line with %q", notes, errNoPoller)
			}
			for _, p := range h.spies.of(Linux) {
				if !p.closed.Load() {
					t.Error("the Linux poller is left open")
				}
			}
			h.Start()
			newPeer(t, anyPort).ask(h.udp(0))
		})
	}
}

func TestModeLinuxDoesNotFallBack(t *testing.T) {
	if !slices.Contains(modes, Linux) {
		t.Skip("not on this platform: no Linux engine")
	}
	for name, first := range map[string]bool{"without the first poller": true, "without the second poller": false} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t, func() {
				if _, err := tryHost(t, testConfig(Linux), without(first)); !errors.Is(err, errNoPoller) {
					t.Errorf("New = %v, want %v", err, errNoPoller)
				}
			})
		})
	}
}

func TestAutoTakesTheBestMode(t *testing.T) {
	h := newHost(t, testConfig(Auto), nil)
	if h.Mode() != modes[0] {
		t.Errorf("mode %s, want %s", h.Mode(), modes[0])
	}
}

func TestPortableEngineTellsWhatItIgnores(t *testing.T) {
	tests := []struct {
		name     string
		priority int
		cpus     []int
		want     int // lines
	}{
		{"nothing asked for", 0, nil, 0},
		{"a priority", 10, nil, 1},
		{"CPUs", 0, []int{0, 1}, 1},
		{"both", 10, []int{0, 1}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := testConfig(Portable)
			c.Priority, c.CPUs = tt.priority, tt.cpus
			h := newHost(t, c, nil)
			h.Start()
			h.Stop()
			notes := h.noted()
			if len(notes) != tt.want || tt.want > 0 && !strings.Contains(notes[0], "realtime_priority and no cpus") {
				t.Errorf("told %q, want %d lines about realtime_priority and cpus", notes, tt.want)
			}
		})
	}
}

func TestWhatSocketsGoWithoutIsToldOnceForEachLoop(t *testing.T) {
	unheard := lacks{errors.New("SO_UNHEARD_OF: not supported")}
	each(t, func(t *testing.T, m Mode) {
		c := testConfig(m)
		c.Address = netip.Addr{} // for several sockets
		h := newHost(t, c, func(c call) error {
			if c.what == listensUDP {
				return unheard
			}
			return nil
		})
		var told []string
		for _, note := range h.noted() {
			if loop, what, _ := strings.Cut(note, ": "); strings.HasPrefix(what, unheard.Error()) {
				told = append(told, loop)
			}
		}
		if want := []string{"sender", "reflector"}; !slices.Equal(told, want) {
			t.Errorf("told by %q, want %q", told, want)
		}
		h.Start()
		h.Add(session(1, measurement.UDP, h.listens(loopback)[0]))
		h.measured(1, measurement.UDPRTT)
	})
}
