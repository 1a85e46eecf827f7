package reflector

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/loop"
	"github.com/latency-monitor/latency-monitor/internal/packetio"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

func TestIdentityIsAnnouncedBeforeTheFirstSample(t *testing.T) {
	identities := map[string]request{
		"short":               {name: "a"},
		"name and tags":       {name: "prober", tags: "['isp:local', 'location:laptop']"},
		"in many pieces":      {name: strings.Repeat("n", 64), tags: "['" + strings.Repeat("tag", 400) + "']"},
		"exactly two pieces":  {name: strings.Repeat("n", 64), tags: "['12345678901']"},
		"not a single letter": {name: "中", tags: "['größe:1']"},
	}
	for name, q := range identities {
		t.Run(name, func(t *testing.T) {
			each(t, func(r *rig) {
				q.t1 = time.Now().UnixNano()
				client := r.client()
				client.ask(q)
				client.ask(q)
				var names measurement.NameAssembler
				var identity []byte
				for complete := false; !complete; {
					s := r.next()
					if s.Kind != measurement.KindName {
						r.Fatalf("sample %+v before the identity", s)
					}
					identity, complete = names.Add(&s)
				}
				if want := q.name + "|" + q.tags; string(identity) != want {
					r.Errorf("identity %q, want %q", identity, want)
				}
				if got := r.metric(measurement.UDPOWD); got.Session < measurement.ReflectedIDs {
					r.Errorf("session ID %d, want %d or more", got.Session, measurement.ReflectedIDs)
				}
				r.counted(selfstats.ProbesDuplicate, 1)
				r.noMore(measurement.KindName)
			})
		})
	}
}

func TestNewIdentityOnAnAddressIsANewSession(t *testing.T) {
	changes := map[string]func(q *request){
		"another name":   func(q *request) { q.name = "another" },
		"other tags":     func(q *request) { q.tags = "['other:tag']" },
		"swapped":        func(q *request) { q.name, q.tags = "b", "['a']" },
		"no tags at all": func(q *request) { q.tags = "" },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			each(t, func(r *rig) {
				client, q := r.client(), probe(5)
				client.ask(q)
				first, _ := r.identity()
				r.metric(measurement.UDPOWD)
				change(&q)
				client.ask(q)
				end := r.next()
				if end.Kind != measurement.KindEnd || end.Session != first {
					r.Errorf("sample %+v, want the end of session %d", end, first)
				}
				second, identity := r.identity()
				if second == first || identity != q.name+"|"+q.tags {
					r.Errorf("session %d, %q, want another one than %d, and %q", second, identity, first, q.name+"|"+q.tags)
				}
				if got := r.metric(measurement.UDPOWD); got.Session != second {
					r.Errorf("sample of session %d, want %d", got.Session, second)
				}
				r.counts(selfstats.SessionsOpened, 2)
				r.counts(selfstats.SessionsExpired, 1)
				r.counts(selfstats.ProbesDuplicate, 0)
			})
		})
	}
}

// One prober has a target at each of several addresses of this host: they share its address and their names.
func TestSessionsInTextToSeveralOfOurAddressesAreToldApart(t *testing.T) {
	f := newFakeFlow(t, Stamp{})
	const targets, rounds = 3, 2 * 101
	for n := range rounds {
		for target := range targets {
			local := fakeLocal
			for range target {
				local = local.Next()
			}
			data := probe((n + 40*target) % 101).bytes() // each begins at another number
			f.conn.incoming = []packetio.Packet{{Data: data, Remote: fakeRemote, Local: local, At: t2}}
			f.Ready(loop.Ready{Token: token(udpSocket, 0, 0), Read: true}, readBatch)
		}
	}
	for c, want := range map[selfstats.Counter]uint64{
		selfstats.SessionsOpened: targets, selfstats.ProbesReflected: targets * rounds,
		selfstats.ProbesMissing: 0, selfstats.ProbesReordered: 0, selfstats.ProbesDuplicate: 0, selfstats.ProbesLooped: 0,
	} {
		if got := f.counters.Get(c); got != want {
			t.Errorf("%v = %d, want %d", c, got, want)
		}
	}
}

func TestMalformedTagsDoNotEndTheSessionOfTheAddress(t *testing.T) {
	each(t, func(r *rig) {
		client, q := r.client(), probe(5)
		client.ask(q)
		bad := q
		bad.tags = "['"
		client.send(bad.bytes())
		r.counted(selfstats.ProbesMalformed, 1)
		q.seq++
		client.ask(q)
		r.counts(selfstats.SessionsOpened, 1)
		r.noMore(measurement.KindEnd)
	})
}

func TestSessionsBeyondTheLimitAreRefusedAndOthersNotDisturbed(t *testing.T) {
	c := testConfig(loopback)
	c.MaxSessions = 2
	eachByHand(t, c, func(r *rig) {
		first, second, third := r.client(), r.client(), r.client()
		first.send(probe(1).bytes())
		second.send(probe(1).bytes())
		r.driveTo(selfstats.ProbesReflected, 2)
		for range 3 {
			third.send(probe(1).bytes())
		}
		r.driveTo(selfstats.SessionsRefused, 3)
		full := r.take("an event", func(s *measurement.Sample) bool { return s.Kind == measurement.KindEvent })
		if kind, limit := full.Event(); kind != measurement.EventSessionsFull || limit != 2 {
			r.Errorf("event %v of %d, want %v of 2", kind, limit, measurement.EventSessionsFull)
		}
		r.noMore(measurement.KindEvent)
		first.send(probe(2).bytes())
		second.send(probe(2).bytes())
		r.driveTo(selfstats.ProbesReflected, 4)
		first.receive()
		r.counts(selfstats.ProbesMissing, 0)
		r.counts(selfstats.ProbesReceived, 4)

		now := clock.MonoNow()
		r.clean(now.Add(idleSession - time.Minute))
		r.noMore(measurement.KindEnd)
		r.clean(now.Add(idleSession + time.Minute))
		for range 2 {
			r.take("an end", func(s *measurement.Sample) bool { return s.Kind == measurement.KindEnd })
		}
		third.send(probe(1).bytes())
		r.driveTo(selfstats.ProbesReflected, 5)
		third.receive()
		r.noMore(measurement.KindEvent)
		r.counts(selfstats.SessionsExpired, 2)
	})
}

// With sessions that come and go at the limit, one event for each would be a flood.
func TestFullTableIsToldOnceUntilThereIsRoomAgain(t *testing.T) {
	c := testConfig(loopback)
	c.MaxSessions = 16
	eachByHand(t, c, func(r *rig) {
		isEvent := func(s *measurement.Sample) bool { return s.Kind == measurement.KindEvent }
		open := func() {
			opened, refused := r.counters.Get(selfstats.SessionsOpened), r.counters.Get(selfstats.SessionsRefused)
			r.client().send(probe(1).bytes())
			r.drive("a session", func() bool {
				return r.counters.Get(selfstats.SessionsOpened)+r.counters.Get(selfstats.SessionsRefused) > opened+refused
			})
		}
		for range c.MaxSessions + 1 {
			open()
		}
		r.take("an event", isEvent)
		for range 5 {
			r.end(r.anySession())
			open()
			open()
		}
		r.noMore(measurement.KindEvent)
		for range c.MaxSessions {
			r.end(r.anySession())
		}
		for range c.MaxSessions + 1 {
			open()
		}
		r.take("an event", isEvent)
		r.noMore(measurement.KindEvent)
	})
}

func (r *rig) anySession() *session {
	r.Helper()
	var found *session
	r.sessions.visit(func(x *session) { found = x })
	if found == nil {
		r.Fatal("no session")
	}
	return found
}

// A session's memory is used again; what was for the old one must not show in the new.
func TestSessionsOfOneBatchAreKeptApart(t *testing.T) {
	c := testConfig(loopback)
	c.MaxSessions = 1
	eachByHand(t, c, func(r *rig) {
		client := r.client()
		for i, name := range []string{"a", "b"} {
			q := probe(i)
			q.name = name
			client.send(q.bytes())
		}
		r.driveTo(selfstats.ProbesReflected, 2)
		for i, want := range []string{"a", "b"} {
			id, identity := r.identity()
			got := r.metric(measurement.UDPOWD)
			if identity != want+"|['isp:local']" || got.Session != id || got.Seq != uint64(i) {
				r.Errorf("sample %+v of session %d, %q, want seq %d of %q", got, id, identity, i, want)
			}
		}
	})
}

func TestIdentityThatChangesAllTheTimeIsAnsweredAndNotMeasured(t *testing.T) {
	const probes = 30
	check := func(r *rig, m measurement.Metric, send func(i int, q request)) {
		for i := range probes {
			q := probe(i)
			q.name = strconv.Itoa(i)
			send(i, q)
		}
		for _, want := range []string{"0", "1"} { // a first change is not all the time
			id, identity := r.identity()
			if got := r.metric(m); identity != want+"|['isp:local']" || got.Session != id {
				r.Errorf("sample %+v of session %d, %q, want one of %q", got, id, identity, want)
			}
		}
		r.counts(selfstats.ProbesRenamed, probes-2)
		r.counts(selfstats.ProbesReceived, probes)
		r.counts(selfstats.ProbesReflected, probes)
		r.counts(selfstats.SessionsOpened, 2)
		r.noMore(measurement.KindName)
		r.noMore(measurement.KindMetric)
	}
	t.Run("udp", func(t *testing.T) {
		eachByHand(t, testConfig(loopback), func(r *rig) {
			client := r.client()
			check(r, measurement.UDPOWD, func(i int, q request) {
				client.send(q.bytes())
				r.driveTo(selfstats.ProbesReflected, uint64(i+1))
				client.receive()
			})
		})
	})
	t.Run("tcp", func(t *testing.T) {
		eachByHand(t, testConfig(loopback), func(r *rig) {
			s := r.dial()
			check(r, measurement.TCPOWD, func(i int, q request) {
				s.send(q.bytes())
				r.driveTo(selfstats.ProbesReflected, uint64(i+1))
				s.receive()
			})
		})
	})
}

func TestIdentityMayChangeAgainLater(t *testing.T) {
	eachByHand(t, testConfig(loopback), func(r *rig) {
		client, q := r.client(), probe(0)
		for i, name := range []string{"a", "b", "c"} {
			if i == 2 { // as if it had been a while
				x := r.anySession()
				x.renamed = x.renamed.Add(-renaming)
			}
			q.seq, q.name = i, name
			client.send(q.bytes())
			r.driveTo(selfstats.ProbesReflected, uint64(i+1))
			if _, identity := r.identity(); identity != name+"|['isp:local']" {
				r.Errorf("identity %q, want %q", identity, name)
			}
		}
		r.counts(selfstats.ProbesRenamed, 0)
	})
}
