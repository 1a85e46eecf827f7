package isolation

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// host is an Engine with the test as its consumer.
type host struct {
	*Engine
	t *testing.T

	mu      sync.Mutex // guards the following
	rings   []*ring.SPSC
	samples []measurement.Sample
	sent    []clock.Wall // when the probes were sent whose round-trip time was measured, in order
	notes   []string
	wakes   int
}

// hostConfig answers on loopback, at ports that were free a moment ago.
func hostConfig(t *testing.T, name string) engine.Config {
	t.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	return engine.Config{
		Mode: engine.Linux, Name: name, Address: netip.MustParseAddr("127.0.0.1"), UDP: true, TCP: true,
		UDPPort: uint16(udp.LocalAddr().(*net.UDPAddr).Port), TCPPort: uint16(tcp.Addr().(*net.TCPAddr).Port),
		MaxSize: 1470, MaxSessions: 16, Timeout: time.Second, Transmit: true, RingSize: 1 << 12,
	}
}

// newHost makes a host that is not started yet, and stops it at the end.
func newHost(t *testing.T, c engine.Config) *host {
	t.Helper()
	h := &host{t: t}
	c.Note = h.note
	var err error
	if h.Engine, err = New(Config{Engine: c, Consumer: h}); err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(h.Stop)
	return h
}

func (h *host) note(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, text)
}

func (h *host) noted() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.notes)
}

// AddRing implements Consumer.
func (h *host) AddRing(r *ring.SPSC) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rings = append(h.rings, r)
}

// RemoveRing implements Consumer.
func (h *host) RemoveRing(r *ring.SPSC) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pop(r)
	h.rings = slices.DeleteFunc(h.rings, func(other *ring.SPSC) bool { return other == r })
}

// Wake implements Consumer.
func (h *host) Wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakes++
}

// pop moves what is on a ring to h.samples. The caller holds mu.
func (h *host) pop(r *ring.SPSC) {
	var batch [64]measurement.Sample
	for n := r.Pop(batch[:]); n > 0; n = r.Pop(batch[:]) {
		h.samples = append(h.samples, batch[:n]...)
		for _, s := range batch[:n] {
			if s.Kind == measurement.KindMetric && s.Metric == measurement.UDPRTT {
				h.sent = append(h.sent, clock.Wall(s.Time))
			}
		}
	}
}

// forget drops all samples so far.
func (h *host) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.rings {
		h.pop(r)
	}
	h.samples = nil
}

// measured waits until a round-trip time of a session has been measured.
func (h *host) measured(id measurement.SessionID) {
	h.t.Helper()
	waittest.Until(h.t, "a round-trip time", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, r := range h.rings {
			h.pop(r)
		}
		return slices.ContainsFunc(h.samples, func(s measurement.Sample) bool {
			return s.Session == id && s.Kind == measurement.KindMetric && s.Metric == measurement.UDPRTT
		})
	})
}

func (h *host) count(c selfstats.Counter) uint64 { return h.Totals().Counts[c] }

// session is one over UDP to the host itself.
func (h *host) session(id measurement.SessionID) measurement.Session {
	return measurement.Session{
		ID: id, Transport: measurement.UDP, Source: "host", Target: "itself", MaxLost: 10, RTT: true,
		Remote:   netip.AddrPortFrom(h.config.Engine.Address, h.config.Engine.UDPPort),
		Interval: time.Millisecond, Timeout: time.Second,
	}
}

// leavesNothing fails the test when f leaves descriptors or goroutines behind. It runs f twice: the
// first run may open and start what stays for good.
func leavesNothing(t *testing.T, f func()) {
	t.Helper()
	f()
	files, goroutines := descriptors(t), runtime.NumGoroutine()
	f()
	waittest.Until(t, "as few goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := descriptors(t); now > files {
		t.Errorf("%d descriptors, %d before", now, files)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
