package latencymonitor

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/isolation"
)

// A Monitor that isolates its engine starts this program again.
func TestMain(m *testing.M) {
	if status, ok := EngineProcess(os.Args); ok {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// each runs a test with every engine that this system has.
func each(t *testing.T, test func(t *testing.T, e Engine)) {
	t.Run("portable", func(t *testing.T) { test(t, Engine{Mode: ModePortable}) })
	t.Run("linux", func(t *testing.T) {
		if err := engine.Works(engine.Linux); err != nil {
			t.Skipf("not on this platform: %v", err)
		}
		test(t, Engine{Mode: ModeLinux})
	})
	t.Run("isolated", func(t *testing.T) {
		if err := isolation.Available(); err != nil {
			t.Skipf("not on this platform: %v", err)
		}
		test(t, Engine{Isolate: IsolateAlways})
	})
}

var loopback = netip.MustParseAddr("127.0.0.1")

// freePort finds a port of the loopback address that nobody uses, over UDP and over TCP: one that the
// system gives to nobody who asks for any, as the sender of the same Monitor does, nor of an example.
func freePort(t *testing.T) uint16 {
	t.Helper()
	for {
		port := uint16(20_000 + rand.IntN(10_000))
		address := netip.AddrPortFrom(loopback, port).String()
		conn, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		must(t, conn.Close())
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		must(t, listener.Close())
		return port
	}
}

// opened makes a Monitor that answers on the loopback address, and is closed at the end.
func opened(t *testing.T, name string, e Engine) *Monitor {
	t.Helper()
	m := made(t, name, e)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// made is opened for those who close the Monitor themselves.
func made(t *testing.T, name string, e Engine) *Monitor {
	t.Helper()
	port := freePort(t)
	e.RingSize = 4096
	m, err := New(Options{
		Name: name, Engine: e, MetricsBuffer: 1 << 18,
		Reflector: Reflector{Address: loopback, UDPPort: port, TCPPort: port},
	})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return m
}

// toward is a target: another Monitor, which is probed every millisecond.
func toward(m *Monitor, ways Transports) Target {
	r := m.options.Reflector
	return Target{
		Host: r.Address.String(), Label: m.options.Name, UDPPort: r.UDPPort, TCPPort: r.TCPPort,
		Interval: time.Millisecond, Transports: ways,
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func started(t *testing.T, m *Monitor) {
	t.Helper()
	must(t, m.Start(t.Context()))
}

func (m *Monitor) count(name string) uint64 {
	n, ok := m.Stats().Counters[name]
	if !ok {
		panic("no counter " + name)
	}
	return n
}

// tally counts metrics by name and tags, as they come.
type tally struct {
	mu    sync.Mutex
	by    map[string]uint64
	ended chan struct{}
}

func listen(m *Monitor) *tally {
	got := &tally{by: map[string]uint64{}, ended: make(chan struct{})}
	points := m.Metrics()
	go func() {
		defer close(got.ended)
		for p := range points {
			got.mu.Lock()
			got.by[p.Name+" "+strings.Join(p.Tags, " ")]++
			got.mu.Unlock()
		}
	}()
	return got
}

// of is how many metrics there were whose name and tags begin so.
func (c *tally) of(start string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var n uint64
	for series, count := range c.by {
		if strings.HasPrefix(series+" ", start+" ") {
			n += count
		}
	}
	return n
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lines []string
	for _, series := range slices.Sorted(maps.Keys(c.by)) {
		lines = append(lines, fmt.Sprintf("%s: %d", series, c.by[series]))
	}
	return strings.Join(lines, "\n")
}

// checkProbes checks that every probe of a Monitor that was closed has one end.
func checkProbes(t *testing.T, m *Monitor) {
	t.Helper()
	c := m.Stats().Counters
	if ended := c["answered"] + c["lost"] + c["abandoned"] + c["one_way"]; ended != c["slots_sent"] {
		t.Errorf("%s: %d answered + %d lost + %d abandoned + %d one way = %d, want the %d that were sent", m.options.Name,
			c["answered"], c["lost"], c["abandoned"], c["one_way"], ended, c["slots_sent"])
	}
	for _, name := range []string{"unresolved", "invalid_records", "ring_corrupted", "ring_dropped", "events_dropped"} {
		if c[name] != 0 {
			t.Errorf("%s: %s = %d, want 0", m.options.Name, name, c[name])
		}
	}
}

func portOf(m *Monitor) string { return fmt.Sprint(m.options.Reflector.UDPPort) }
