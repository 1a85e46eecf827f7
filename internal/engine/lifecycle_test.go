package engine

import (
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestStopEndsEverythingHoweverItIsCalled(t *testing.T) {
	stops := map[string]func(h *host){
		"at once":       func(h *host) { h.Start(); h.Stop() },
		"without Start": func(h *host) { h.Stop() },
		"twice":         func(h *host) { h.Start(); h.Stop(); h.Stop() },
		"before Start":  func(h *host) { h.Stop(); h.Start(); h.Stop() },
		"after a second Start": func(h *host) {
			h.Start()
			h.Start()
			h.Stop()
		},
		"from two goroutines at once": func(h *host) {
			h.Start()
			var both sync.WaitGroup
			for range 2 {
				both.Go(h.Stop)
			}
			both.Wait()
		},
		"from two goroutines without Start": func(h *host) {
			var both sync.WaitGroup
			for range 2 {
				both.Go(h.Stop)
			}
			both.Wait()
		},
		"while the loops sleep": func(h *host) {
			spies := h.spies.of(h.Mode())
			for _, p := range spies {
				p.sleeps.Store(true)
			}
			h.Start()
			for _, p := range spies {
				waittest.Until(h.t, "a loop that waits", func() bool { return p.waited.Load() > 0 })
			}
			h.Stop()
		},
		"with sessions at work": func(h *host) {
			h.probeItself()
			h.Stop()
		},
		"while they are drained": func(h *host) {
			h.probeItself()
			h.Drain()
			h.Stop()
		},
	}
	each(t, func(t *testing.T, m Mode) {
		for name, stop := range stops {
			t.Run(name, func(t *testing.T) {
				processors := runtime.GOMAXPROCS(0)
				leavesNothing(t, func() {
					h, err := tryHost(t, testConfig(m), nil)
					if err != nil {
						t.Fatal(err)
					}
					stop(h)
					for _, p := range h.spies.of(m) {
						if !p.closed.Load() {
							t.Error("a poller is left open")
						}
					}
				})
				if now := runtime.GOMAXPROCS(0); now != processors {
					t.Errorf("GOMAXPROCS %d, %d before", now, processors)
				}
			})
		}
	})
}

// probeItself starts a host and has it measure itself in every way.
func (h *host) probeItself() {
	h.t.Helper()
	h.Add(session(1, measurement.UDP, h.udp(0)))
	h.Add(session(2, measurement.TCP, h.tcp(0)))
	h.Add(session(3, measurement.TCPConnect, h.tcp(0)))
	h.Start()
	h.measured(1, measurement.UDPRTT)
	h.measured(2, measurement.TCPRTT)
	h.measured(3, measurement.TCPLatency)
}

func TestSamplesStayInTheRingsAfterStop(t *testing.T) {
	each(t, func(t *testing.T, m Mode) {
		h := newHost(t, testConfig(m), nil)
		h.Add(session(1, measurement.UDP, h.udp(0)))
		h.Start()
		waittest.Until(t, "an answer", func() bool { return h.count(selfstats.ProbesAnswered) > 0 })
		h.Stop()
		h.measured(1, measurement.UDPRTT)
		h.received(measurement.UDPOWD)
	})
}

func TestCommandsAfterStopDoNothing(t *testing.T) {
	each(t, func(t *testing.T, m Mode) {
		h := newHost(t, testConfig(m), nil)
		h.Start()
		h.Stop()
		h.Add(session(1, measurement.UDP, h.udp(0)))
		h.Remove(1)
		h.Drain()
		if sent := h.count(selfstats.SlotsSent); sent != 0 {
			t.Errorf("%d probes sent, want none", sent)
		}
	})
}

func TestFailedTellsWhichLoopEndedAndWhy(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name string
		hook hook
		want string
	}{
		{"the sender panics", panics(dials), "sender loop: panic: on purpose"},
		{"the reflector panics", panics(accepts), "reflector loop: panic: on purpose"},
		{"the sender can't wait", func(c call) error {
			if c.what == waits && c.first {
				return broken
			}
			return nil
		}, "sender loop: broken"},
		{"the reflector can't wait", func(c call) error {
			if c.what == waits && !c.first {
				return broken
			}
			return nil
		}, "reflector loop: broken"},
	}
	each(t, func(t *testing.T, m Mode) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				leavesNothing(t, func() {
					h := newHost(t, testConfig(m), tt.hook)
					h.Add(session(1, measurement.TCP, h.tcp(0)))
					h.Start()
					err := h.failure()
					if !strings.HasPrefix(err.Error(), tt.want) {
						t.Errorf("Failed tells %q, want %q", err, tt.want)
					}
					if panicked := strings.Contains(tt.want, "panic"); panicked != strings.Contains(err.Error(), "spy_test.go") {
						t.Errorf("Failed tells %q, want the stack with a panic only", err)
					}
					h.Add(session(2, measurement.TCP, h.tcp(0)))
					h.Stop()
				})
			})
		}
	})
}

// failure waits for a loop to fail.
func (h *host) failure() error {
	h.t.Helper()
	select {
	case err := <-h.Failed():
		return err
	case <-time.After(waittest.Patience()):
		h.t.Fatal("no loop failed")
		return nil
	}
}

// panics is a hook that panics in what the loops do.
func panics(what int) hook {
	return func(c call) error {
		if c.what == what {
			panic("on purpose")
		}
		return nil
	}
}

func TestNobodyIsAnsweredAfterStop(t *testing.T) {
	each(t, func(t *testing.T, m Mode) {
		h := newHost(t, testConfig(m), nil)
		h.Start()
		newPeer(t, anyPort).ask(h.udp(0))
		h.Stop()
		newPeer(t, h.udp(0)) // has the port for itself
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(h.tcp(0)))
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	})
}
