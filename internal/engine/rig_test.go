package engine

import (
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// closes waits until a channel is closed.
func closes(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(waittest.Patience()):
		t.Fatalf("after %v still not: %s", waittest.Patience(), what)
	}
}

// each runs a test in every mode that this system has.
func each(t *testing.T, test func(t *testing.T, m Mode)) {
	for _, m := range modes {
		t.Run(string(m), func(t *testing.T) { test(t, m) })
	}
}

// eachFamily runs a test in every mode with each family's loopback address.
func eachFamily(t *testing.T, test func(t *testing.T, m Mode, ip netip.Addr)) {
	each(t, func(t *testing.T, m Mode) {
		for _, ip := range []string{"127.0.0.1", "::1"} {
			t.Run(ip, func(t *testing.T) {
				conn, err := net.ListenPacket("udp", net.JoinHostPort(ip, "0"))
				if err != nil {
					t.Skipf("not on this platform: no address %s: %v", ip, err)
				}
				_ = conn.Close()
				test(t, m, netip.MustParseAddr(ip))
			})
		}
	})
}

var (
	loopback = netip.MustParseAddr("127.0.0.1")
	anyPort  = netip.AddrPortFrom(loopback, 0)
)

// testConfig answers on ports that the system chooses.
func testConfig(m Mode) Config {
	return Config{
		Mode: m, Name: "host", Address: loopback, UDP: true, TCP: true, MaxSize: 1470, MaxSessions: 16,
		Timeout: time.Second, Transmit: true, RingSize: 1 << 12,
	}
}

// host is an Engine with the test as the consumer of its rings.
type host struct {
	*Engine
	t       *testing.T
	spies   *spies
	samples [Loops][]measurement.Sample // popped and not taken yet: the sender's, the reflector's

	mu    sync.Mutex
	notes []string
}

// newHost makes a host that is not started yet, and stops it at the end.
func newHost(t *testing.T, c Config, ask hook) *host {
	t.Helper()
	h, err := tryHost(t, c, ask)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(h.Stop)
	return h
}

func tryHost(t *testing.T, c Config, ask hook) (*host, error) {
	h := &host{t: t, spies: &spies{hook: ask}}
	c.Note = h.note
	var err error
	h.Engine, err = newEngine(c, h.spies.open)
	return h, err
}

func (h *host) note(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, line)
}

func (h *host) noted() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.notes)
}

// udp and tcp are where the host answers, with i = 1 its second address.
func (h *host) udp(i int) netip.AddrPort { return h.spies.of(h.Mode())[1].udp[i] }
func (h *host) tcp(i int) netip.AddrPort { return h.spies.of(h.Mode())[1].tcp[i] }

// obeyed waits until the sender's loop has carried out the commands given so far: it does so between
// one wait and the next.
func (h *host) obeyed() {
	h.t.Helper()
	sender := h.spies.of(h.Mode())[0]
	before := sender.waited.Load()
	waittest.Until(h.t, "two more rounds of the loop", func() bool { return sender.waited.Load() >= before+2 })
}

// take waits for the first sample of a metric that fits, on the ring of loop i.
func (h *host) take(i int, m measurement.Metric, fits func(s *measurement.Sample) bool) (taken measurement.Sample) {
	h.t.Helper()
	waittest.Until(h.t, "a sample of "+m.String(), func() bool {
		h.pop()
		at := slices.IndexFunc(h.samples[i], func(s measurement.Sample) bool {
			return s.Kind == measurement.KindMetric && s.Metric == m && fits(&s)
		})
		if at < 0 {
			return false
		}
		taken = h.samples[i][at]
		h.samples[i] = slices.Delete(h.samples[i], at, at+1)
		return true
	})
	return taken
}

// pop moves what is on the rings to h.samples.
func (h *host) pop() {
	var batch [64]measurement.Sample
	for i, r := range h.Rings() {
		for n := r.Pop(batch[:]); n > 0; n = r.Pop(batch[:]) {
			h.samples[i] = append(h.samples[i], batch[:n]...)
		}
	}
}

// measured waits until the host has measured a session of its own.
func (h *host) measured(id measurement.SessionID, m measurement.Metric) measurement.Sample {
	h.t.Helper()
	return h.take(0, m, func(s *measurement.Sample) bool { return s.Session == id })
}

// received waits until the host has measured a probe to it.
func (h *host) received(m measurement.Metric) measurement.Sample {
	h.t.Helper()
	return h.take(1, m, func(*measurement.Sample) bool { return true })
}

// count reads a counter, of both loops together.
func (h *host) count(c selfstats.Counter) uint64 { return selfstats.Sum(h.Counters()).Counts[c] }

// session is one with defaults for what a test does not care about.
func session(id measurement.SessionID, t measurement.Transport, remote netip.AddrPort) measurement.Session {
	return measurement.Session{
		ID: id, Transport: t, Source: "prober", Target: "target", Remote: remote,
		Interval: 5 * time.Millisecond, Timeout: 10 * time.Second, MaxLost: 10, RTT: true,
	}
}

// leavesNothing fails the test when f leaves descriptors or goroutines behind. It runs f twice: the
// first run may open and start what stays for good.
func leavesNothing(t *testing.T, f func()) {
	t.Helper()
	f()
	files, goroutines := descriptors(t), runtime.NumGoroutine()
	f()
	// Goroutines that were waited for may not be gone yet: they have said so, and then end.
	waittest.Until(t, "as few goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := descriptors(t); now > files {
		t.Errorf("%d descriptors, %d before", now, files)
	}
}
