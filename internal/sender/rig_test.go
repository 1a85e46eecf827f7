package sender

import (
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/internal/waittest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// implementation is a poller and how exact its timestamps are.
type implementation struct {
	name     string
	open     func() (loop.Poller, error)
	transmit bool // asks for transmit timestamps
	sent     measurement.TimestampSource
	received measurement.TimestampSource
}

func implementations() []implementation {
	return append(systemImplementations(), implementation{
		name: "portable", sent: measurement.SourceUser, received: measurement.SourceUser,
		open: func() (loop.Poller, error) { return loop.NewPortable() },
	})
}

// rig is a Sender on its running loop, with the test as consumer of its ring.
type rig struct {
	*testing.T
	implementation
	ring     *ring.SPSC
	counters *selfstats.Block
	loop     *loop.Loop
	ended    chan error
	stopped  bool
	samples  []measurement.Sample // popped and not taken yet
}

// each runs a test on every implementation.
func each(t *testing.T, test func(r *rig)) {
	for _, i := range implementations() {
		t.Run(i.name, func(t *testing.T) { test(newRig(t, i)) })
	}
}

// eachFamily runs a test on every implementation with each family's loopback address.
func eachFamily(t *testing.T, test func(r *rig, loopback netip.Addr)) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			conn, err := net.ListenPacket("udp", net.JoinHostPort(ip, "0"))
			if err != nil {
				t.Skipf("not on this platform: no address %s: %v", ip, err)
			}
			_ = conn.Close()
			each(t, func(r *rig) { test(r, netip.MustParseAddr(ip)) })
		})
	}
}

var (
	loopback = netip.MustParseAddr("127.0.0.1")
	anyPort  = netip.AddrPortFrom(loopback, 0)
)

func newRig(t *testing.T, i implementation) *rig {
	t.Helper()
	p, err := i.open()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, implementation: i, counters: new(selfstats.Block), ended: make(chan error, 1)}
	if r.ring, err = ring.New(1 << 14); err != nil {
		t.Fatal(err)
	}
	s, missing, err := New(p, Config{Ring: r.ring, Counters: r.counters, MaxSize: 65535, Transmit: i.transmit})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range missing {
		t.Logf("missing: %v", m)
	}
	s.host.read = goodClock
	r.loop = loop.New(p, s, 0)
	go func() { r.ended <- r.loop.Run() }()
	t.Cleanup(r.stop)
	return r
}

// goodClock is a host's clock of which there is nothing to tell.
func goodClock() clock.Error { return clock.Error{Bound: time.Microsecond, Synchronised: true} }

// stop ends the loop. It may be called before the test ends.
func (r *rig) stop() {
	if r.stopped {
		return
	}
	r.stopped = true
	r.loop.Send(loop.Command{Verb: loop.Stop})
	if err := <-r.ended; err != nil {
		r.Errorf("the loop ended: %v", err)
	}
}

func (r *rig) add(s measurement.Session) { r.loop.Send(loop.Command{Verb: loop.Add, Session: s}) }

func (r *rig) remove(id measurement.SessionID) {
	r.loop.Send(loop.Command{Verb: loop.Remove, Session: measurement.Session{ID: id}})
}

// drain stops probing and waits until all probes are settled.
func (r *rig) drain() {
	r.Helper()
	r.loop.Send(loop.Command{Verb: loop.Drain})
	select {
	case <-r.loop.Drained():
	case <-time.After(waittest.Patience()):
		r.Fatal("not drained")
	}
}

// pop moves what is on the ring to r.samples.
func (r *rig) pop() {
	var batch [64]measurement.Sample
	for n := r.ring.Pop(batch[:]); n > 0; n = r.ring.Pop(batch[:]) {
		for _, s := range batch[:n] {
			if s.Metric != measurement.HostClockError || s.Kind != measurement.KindMetric {
				r.samples = append(r.samples, s)
			}
		}
	}
}

// take waits for the first sample that fits, and takes it.
func (r *rig) take(what string, fits func(s *measurement.Sample) bool) measurement.Sample {
	r.Helper()
	var taken measurement.Sample
	waittest.Until(r, what, func() bool {
		r.pop()
		for i := range r.samples {
			if fits(&r.samples[i]) {
				taken = r.samples[i]
				r.samples = append(r.samples[:i], r.samples[i+1:]...)
				return true
			}
		}
		return false
	})
	return taken
}

// metric waits for a sample of this metric.
func (r *rig) metric(m measurement.Metric) measurement.Sample {
	r.Helper()
	return r.take("a sample of "+m.String(), func(s *measurement.Sample) bool {
		return s.Kind == measurement.KindMetric && s.Metric == m
	})
}

// event waits for an event of this kind and returns its detail.
func (r *rig) event(want measurement.Event) (detail int64) {
	r.Helper()
	sample := r.take("event "+want.String(), func(s *measurement.Sample) bool {
		e, _ := s.Event()
		return e == want
	})
	return sample.T1
}

// noMore fails the test when samples that fit are on the ring.
func (r *rig) noMore(what string, fits func(s *measurement.Sample) bool) {
	r.Helper()
	r.pop()
	for i := range r.samples {
		if fits(&r.samples[i]) {
			r.Errorf("unexpected %s: %+v", what, r.samples[i])
		}
	}
}

func (r *rig) noMoreMetrics() {
	r.Helper()
	r.noMore("sample", func(s *measurement.Sample) bool { return s.Kind == measurement.KindMetric })
}

func (r *rig) noMoreEvents(kind measurement.Event) {
	r.Helper()
	r.noMore("event", func(s *measurement.Sample) bool {
		e, _ := s.Event()
		return e == kind
	})
}

// counted waits until a counter is at least n.
func (r *rig) counted(c selfstats.Counter, n uint64) {
	r.Helper()
	waittest.Until(r, c.String()+" = "+strconv.FormatUint(n, 10), func() bool { return r.counters.Get(c) >= n })
}

// counts fails the test when a counter is not n.
func (r *rig) counts(c selfstats.Counter, n uint64) {
	r.Helper()
	if got := r.counters.Get(c); got != n {
		r.Errorf("%s = %d, want %d", c, got, n)
	}
}

// balanced fails the test when the probes sent are not all settled, each once. The loop is drained.
func (r *rig) balanced() {
	r.Helper()
	sent := r.counters.Get(selfstats.SlotsSent)
	settled := r.counters.Get(selfstats.ProbesAnswered) + r.counters.Get(selfstats.ProbesLost) +
		r.counters.Get(selfstats.ProbesAbandoned) + r.counters.Get(selfstats.ProbesOneWay)
	if sent != settled {
		r.Errorf("%d probes were sent and %d settled", sent, settled)
	}
}

// sessionTo is a session of this ID with defaults for what a test does not care about.
func sessionTo(id measurement.SessionID, t measurement.Transport, remote netip.AddrPort) measurement.Session {
	return measurement.Session{
		ID: id, Transport: t, Source: "prober", Target: "target", Tags: []string{"isp:local"}, Remote: remote,
		Size: 64, Interval: 10 * time.Millisecond, Timeout: 10 * time.Second, MaxLost: 3, RTT: true,
	}
}

// once makes a session's first slot come soon and its next one after the test.
func once(s measurement.Session, soon time.Duration) measurement.Session {
	s.Interval = 24 * time.Hour
	s.Phase = time.Duration(clock.MonoNow().Add(soon)) % s.Interval
	return s
}

// addOnce adds a session that has one slot, and waits for that. A loop that was kept from running may
// begin with the session only after its slot; then it is tried again.
func (r *rig) addOnce(s measurement.Session) {
	r.Helper()
	before := r.slots()
	waittest.Until(r, "a slot", func() bool {
		r.add(once(s, 5*time.Millisecond))
		tried := time.Now()
		for r.slots() == before && time.Since(tried) < 100*time.Millisecond {
			runtime.Gosched()
		}
		return r.slots() > before
	})
}

// slots is how many slots there have been.
func (r *rig) slots() uint64 {
	totals := selfstats.Sum([]*selfstats.Block{r.counters})
	return totals.Counts[selfstats.SlotsSent] + totals.Skipped()
}
