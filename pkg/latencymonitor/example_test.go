package latencymonitor_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/latency-monitor/latency-monitor/pkg/latencymonitor"
)

// The examples measure this host against itself.
var loopback = netip.MustParseAddr("127.0.0.1")

// Two Monitors: one probes and one answers. Each publishes what it measures in its role.
func Example() {
	answering, err := latencymonitor.New(latencymonitor.Options{
		Name:      "host-b",
		Reflector: latencymonitor.Reflector{Address: loopback, UDPPort: 18001},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answering.Close()
	probing, err := latencymonitor.New(latencymonitor.Options{Name: "host-a"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer probing.Close()
	_, err = probing.AddTarget(latencymonitor.Target{
		Host: "127.0.0.1", UDPPort: 18001, Label: "host-b", Tags: []string{"isp:local"},
		Transports: latencymonitor.UDP, Interval: 10 * time.Millisecond,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	roundTrips, oneWay := probing.Metrics(), answering.Metrics()
	for _, m := range []*latencymonitor.Monitor{answering, probing} {
		if err := m.Start(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
	}
	show := func(name string, points <-chan latencymonitor.Metric) {
		for p := range points {
			if p.Name == name {
				fmt.Println(p.Name, p.Tags, "below a second:", p.Delay() < time.Second)
				return
			}
		}
	}
	show("udp.wan.rtt", roundTrips)
	show("udp.wan.owd", oneWay)
	// Output:
	// udp.wan.rtt [source:host-a target:host-b isp:local] below a second: true
	// udp.wan.owd [source:host-a target:host-b isp:local] below a second: true
}

// Targets come and go while the Monitor runs. Nobody listens at these, so what there is to see are
// counters.
func ExampleMonitor_RemoveTarget() {
	m, err := latencymonitor.New(latencymonitor.Options{Name: "host-a"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := m.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	first, err := m.AddUDPTarget("127.0.0.1:18003")
	fmt.Println("first:", first, err)
	second, err := m.AddTCPTarget("127.0.0.1:18003")
	fmt.Println("second:", second, err)
	fmt.Println("targets:", m.Stats().Targets, "sessions:", m.Stats().Sessions)

	fmt.Println("remove the first:", m.RemoveTarget(first))
	fmt.Println("remove it again:", m.RemoveTarget(first))
	fmt.Println("targets:", m.Stats().Targets, "sessions:", m.Stats().Sessions)

	fmt.Println("close:", m.Close())
	c := m.Stats().Counters
	fmt.Println("every probe is settled:", c["slots_sent"] == c["answered"]+c["lost"]+c["abandoned"]+c["one_way"])
	// Output:
	// first: 1 <nil>
	// second: 2 <nil>
	// targets: 2 sessions: 3
	// remove the first: <nil>
	// remove it again: target 1: no such target
	// targets: 1 sessions: 2
	// close: <nil>
	// every probe is settled: true
}

// worst is a backend that keeps the longest round-trip time to each target.
type worst struct {
	mu  sync.Mutex
	rtt map[string]time.Duration
}

func (*worst) Name() string { return "worst" }

// Publish is called with points of all metrics.
func (w *worst) Publish(_ context.Context, points []latencymonitor.Point) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range points {
		if p.Series.Name == "udp.wan.rtt" {
			target := p.Series.Tags[1] // source:, target:, and then the target's own
			w.rtt[target] = max(w.rtt[target], time.Duration(p.Value))
		}
	}
	return nil
}

// Flush has nothing to do, since Publish leaves nothing undone.
func (*worst) Flush(context.Context) error { return nil }

// Close has nothing to free.
func (*worst) Close(context.Context) error { return nil }

// A backend of one's own gets points in batches, from a queue of its own.
func ExampleMonitor_AddBackend() {
	m, err := latencymonitor.New(latencymonitor.Options{
		Name:      "host-a",
		Reflector: latencymonitor.Reflector{Address: loopback, UDPPort: 18002},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	backend := &worst{rtt: map[string]time.Duration{}}
	// Each Publish gets up to 100 points, which are gathered for a second at most.
	if err := m.AddBackend(backend, latencymonitor.Pacing{Batch: 100, Interval: time.Second}); err != nil {
		fmt.Println(err)
	}
	_, err = m.AddTargets(
		latencymonitor.Target{
			Host: "127.0.0.1", Label: "fast", UDPPort: 18002, Interval: time.Millisecond,
			Transports: latencymonitor.UDP,
		},
		latencymonitor.Target{
			Host: "127.0.0.1", Label: "slow", UDPPort: 18002, Interval: 50 * time.Millisecond,
			Transports: latencymonitor.UDP,
		},
	)
	if err != nil {
		fmt.Println(err)
	}
	if err := m.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	for m.Stats().Counters["answered"] < 200 {
		time.Sleep(10 * time.Millisecond)
	}
	if err := m.Close(); err != nil { // publishes and flushes what is left
		fmt.Println(err)
	}

	for _, target := range []string{"target:fast", "target:slow"} {
		fmt.Println(target, "measured:", backend.rtt[target] > 0)
	}
	i := slices.IndexFunc(m.Stats().Backends, func(b latencymonitor.BackendStats) bool { return b.Name == "worst" })
	b := m.Stats().Backends[i]
	fmt.Println("all delivered:", b.Sent > 200 && b.Queued+b.Dropped+b.Failed == 0)
	// Output:
	// target:fast measured: true
	// target:slow measured: true
	// all delivered: true
}

// What is wrong is told by field, value and what is allowed, before anything is opened.
func ExampleOptions_Check() {
	var options latencymonitor.Options
	options.Name = "host-a"
	fmt.Println(options.Check(latencymonitor.Target{Host: "192.0.2.2"}))
	fmt.Println(options.Check(latencymonitor.Target{Host: "192.0.2.2", Interval: time.Microsecond}))
	fmt.Println(options.Check(latencymonitor.Target{Host: "192.0.2.2"}, latencymonitor.Target{Host: "192.0.2.2"}))
	options.Reflector.RequireAuth = true
	fmt.Println(options.Check())
	// Output:
	// <nil>
	// target "192.0.2.2": Interval = 1µs: must be 100µs to 24h0m0s
	// target "192.0.2.2": can't be told apart from another one: must differ in Label, Tags or Transports
	// Options.Reflector.RequireAuth = true: must be false without AuthKeys, or nobody is answered
}
