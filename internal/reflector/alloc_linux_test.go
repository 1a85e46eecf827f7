package reflector

import (
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// What anybody may send as often as he likes must not make garbage.
func TestFloodsDoNotAllocate(t *testing.T) {
	c := testConfig(loopback)
	c.MaxSessions = 1
	floods := map[string]struct {
		data    []byte
		counter selfstats.Counter
	}{
		"malformed":             {[]byte("hello"), selfstats.ProbesMalformed},
		"malformed tags":        {request{name: "x", t1: oldest, tags: "['"}.bytes(), selfstats.ProbesMalformed},
		"oversized":             {[]byte(strings.Repeat("x", 1471)), selfstats.ProbesOversized},
		"sessions beyond limit": {request{name: "x", t1: oldest, tags: "['a']"}.bytes(), selfstats.SessionsRefused},
	}
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, epoll, c)
			r.client().send(probe(1).bytes())
			r.driveTo(selfstats.ProbesReflected, 1)
			client := r.client()
			allocs := testing.AllocsPerRun(100, func() {
				client.send(flood.data)
				seen := r.counters.Get(flood.counter)
				for r.counters.Get(flood.counter) == seen {
					r.once()
				}
			})
			if allocs != 0 {
				t.Errorf("%v allocations per datagram, want 0", allocs)
			}
		})
	}
}

// Neither do names that change in every packet, be it that they are published or that it is too early.
func TestNewNamesDoNotAllocate(t *testing.T) {
	r := newRig(t, epoll, testConfig(loopback))
	r.client().send(probe(1).bytes())
	r.driveTo(selfstats.ProbesReflected, 1)
	client := r.client()
	names := [][]byte{request{name: "a", t1: oldest, tags: "['x']"}.bytes(), request{seq: 1, name: "b", t1: oldest, tags: "['y']"}.bytes()}
	var batch [64]measurement.Sample
	for _, published := range []bool{true, false} {
		next := 0
		allocs := testing.AllocsPerRun(20, func() {
			r.sessions.visit(func(x *session) {
				x.circle = circle{}
				if published {
					x.renamed = 0
				}
			})
			client.send(names[next%2])
			next++
			seen := r.counters.Get(selfstats.ProbesReflected)
			for r.counters.Get(selfstats.ProbesReflected) == seen {
				r.once()
			}
			r.ring.Pop(batch[:])
		})
		if allocs != 0 {
			t.Errorf("published %t: %v allocations per name, want 0", published, allocs)
		}
	}
	if r.counters.Get(selfstats.ProbesRenamed) < 10 || r.counters.Get(selfstats.SessionsExpired) < 20 {
		t.Errorf("%d names were too early and %d were published", r.counters.Get(selfstats.ProbesRenamed), r.counters.Get(selfstats.SessionsExpired))
	}
}

func TestTCPProbesDoNotAllocate(t *testing.T) {
	r := newRig(t, epoll, testConfig(loopback))
	s := r.dial()
	q := probe(0).bytes()
	buf := make([]byte, 1<<16)
	var batch [64]measurement.Sample
	allocs := testing.AllocsPerRun(100, func() {
		s.send(q)
		seen := r.counters.Get(selfstats.ProbesReflected)
		for r.counters.Get(selfstats.ProbesReflected) == seen {
			r.once()
		}
		if _, err := s.Read(buf); err != nil {
			t.Fatal(err)
		}
		r.ring.Pop(batch[:])
	})
	if allocs != 0 {
		t.Errorf("%v allocations per probe, want 0", allocs)
	}
}

// Connections that only a handshake is measured of come and go as often as probes.
func TestConnectProbesDoNotAllocate(t *testing.T) {
	r := newRig(t, epoll, testConfig(loopback))
	prober, err := epoll.open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = prober.Close() }()
	allocs := testing.AllocsPerRun(100, func() {
		s, err := prober.Dial(r.tcp, packetio.Marking{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		accepted := r.counters.Get(selfstats.ConnectionsAccepted)
		for r.connected == 0 || r.counters.Get(selfstats.ConnectionsAccepted) == accepted {
			r.once()
		}
		s.Reset()
		for r.connected > 0 {
			r.once()
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per connection, want 0", allocs)
	}
}

// once handles what is ready now.
func (r *rig) once() {
	n, _ := r.poller.Wait(0, r.ready[:])
	for _, ready := range r.ready[:n] {
		r.Ready(ready, readBatch)
	}
}
