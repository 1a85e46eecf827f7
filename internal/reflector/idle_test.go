package reflector

import (
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// A prober connects when it starts, and has its first slot within an interval.
func TestTCPConnectionMayTakeAnIntervalToItsFirstProbe(t *testing.T) {
	eachByHand(t, testConfig(loopback), func(r *rig) {
		s := r.dial()
		r.driveTo(selfstats.ConnectionsAccepted, 1)
		r.clean(clock.MonoNow().Add(longestInterval))
		s.send(probe(1).bytes())
		r.driveTo(selfstats.ProbesReflected, 1)
		s.receive()
		r.clean(clock.MonoNow().Add(longestInterval)) // and the next one another interval
		if r.connected != 1 {
			r.Fatalf("%d connections, want 1", r.connected)
		}
		r.clean(clock.MonoNow().Add(idleUnknown + time.Minute))
		if r.connected != 0 {
			r.Errorf("%d connections after %v, want 0", r.connected, idleUnknown)
		}
		s.ends()
	})
}

func TestTCPConnectionWithoutProbesIsClosed(t *testing.T) {
	room := map[string]struct {
		sessions int
		starved  bool
		patience time.Duration
	}{
		"there is room":                {sessions: 64, patience: idleUnknown},
		"three quarters are used":      {sessions: 4, patience: idleConnection},
		"there are no descriptors":     {sessions: 64, starved: true, patience: idleConnection},
		"less than three quarters are": {sessions: 5, patience: idleUnknown},
	}
	for name, tt := range room {
		t.Run(name, func(t *testing.T) {
			c := testConfig(loopback)
			c.MaxSessions = tt.sessions
			eachByHand(t, c, func(r *rig) {
				silent, begun, used := r.dial(), r.dial(), r.dial()
				r.driveTo(selfstats.ConnectionsAccepted, 3)
				begun.send([]byte("1|prob"))
				used.send(probe(1).bytes())
				r.driveTo(selfstats.ProbesReflected, 1)
				used.receive()
				now := clock.MonoNow()
				r.anySession().last = now.Add(tt.patience) // just now, all the time
				r.starved = tt.starved
				r.clean(now.Add(tt.patience - time.Second))
				if r.connected != 3 {
					r.Errorf("%d connections, want 3", r.connected)
				}
				r.starved = tt.starved
				r.clean(now.Add(tt.patience + time.Second))
				if r.connected != 1 {
					r.Errorf("%d connections after %v, want 1", r.connected, tt.patience)
				}
				silent.ends()
				begun.ends()
			})
		})
	}
}

func TestIdleSessionIsForgottenAfterThreeIntervals(t *testing.T) {
	intervals := map[string]struct{ interval, want time.Duration }{
		"a second":    {time.Second, idleSession},
		"5 minutes":   {5 * time.Minute, 15 * time.Minute},
		"an hour":     {time.Hour, 3 * time.Hour},
		"a day":       {24 * time.Hour, 72 * time.Hour},
		"a long time": {1000 * time.Hour, 72 * time.Hour}, // there is no such interval
	}
	for name, tt := range intervals {
		t.Run(name, func(t *testing.T) {
			eachByHand(t, testConfig(loopback), func(r *rig) {
				client, s := r.client(), r.dial()
				for i := range 2 {
					client.send(probe(i).bytes())
					s.send(probe(i).bytes())
					r.driveTo(selfstats.ProbesReflected, uint64(2*i+2))
					s.receive()
					if i == 0 { // as if that had been an interval ago
						r.sessions.visit(func(x *session) { x.last = x.last.Add(-tt.interval) })
					}
				}
				now := clock.MonoNow()
				r.clean(now.Add(tt.want - time.Second))
				r.counts(selfstats.SessionsExpired, 0)
				r.clean(now.Add(tt.want + time.Second))
				r.counts(selfstats.SessionsExpired, 2)
				s.ends()
				r.counts(selfstats.SessionsOpened, 2)
			})
		})
	}
}

// One probe alone does not hold its place in a table that is getting full.
func TestSessionOfOneProbeIsForgottenAfterADay(t *testing.T) {
	for sessions, want := range map[int]time.Duration{64: idleUnknown, 1: idleSession} {
		c := testConfig(loopback)
		c.MaxSessions = sessions
		eachByHand(t, c, func(r *rig) {
			client := r.client()
			for i := range 3 { // copies tell of no interval
				client.send(probe(7).bytes())
				r.driveTo(selfstats.ProbesReflected, uint64(i+1))
			}
			now := clock.MonoNow()
			r.clean(now.Add(want - time.Second))
			r.counts(selfstats.SessionsExpired, 0)
			r.clean(now.Add(want + time.Second))
			r.counts(selfstats.SessionsExpired, 1)
		})
	}
}

// fill leaves no room on the ring.
func (r *rig) fill() {
	for r.ring.Len() < r.ring.Cap() {
		r.ring.Push(&measurement.Sample{Kind: measurement.KindEvent})
	}
}

func (r *rig) empty() {
	r.pop()
	r.samples = nil
}

// What the exporter is not told now it is told later, or it would know the session for good.
func TestEndsThatFindTheRingFullAreToldLater(t *testing.T) {
	eachByHand(t, testConfig(loopback), func(r *rig) {
		var clients []*client
		for i := range 10 {
			clients = append(clients, r.client())
			clients[i].send(probe(1).bytes())
			r.driveTo(selfstats.ProbesReflected, uint64(i+1))
		}
		r.empty()
		first := r.anySession().id - 9
		r.fill()
		r.clean(clock.MonoNow().Add(idleUnknown + time.Minute))
		r.counts(selfstats.SessionsExpired, 10)
		dropped := r.ring.Dropped()

		// No new name passes an old end, while the ring is full and after it.
		clients[0].send(probe(2).bytes())
		r.driveTo(selfstats.ProbesReflected, 11)
		r.pop()
		r.noMore(measurement.KindEnd)
		r.noMore(measurement.KindName)
		r.empty()
		clients[0].send(probe(3).bytes())
		r.driveTo(selfstats.ProbesReflected, 12)
		for i := range 10 {
			s := r.take("an end", func(s *measurement.Sample) bool {
				return s.Kind == measurement.KindEnd || s.Kind == measurement.KindName
			})
			if s.Kind != measurement.KindEnd || s.Session != first+measurement.SessionID(i) {
				r.Errorf("sample %+v, want the end of session %d", s, first+measurement.SessionID(i))
			}
		}
		r.identity()
		r.noMore(measurement.KindEnd)
		if lost := r.ring.Dropped() - dropped; lost != 1 { // the delay of probe 2
			r.Errorf("%d samples were dropped, want 1", lost)
		}
	})
}

func TestEndsAreToldThoughNothingElseComes(t *testing.T) {
	eachByHand(t, testConfig(loopback), func(r *rig) {
		r.client().send(probe(1).bytes())
		r.driveTo(selfstats.ProbesReflected, 1)
		r.fill()
		r.end(r.anySession())
		r.empty()
		r.clean(clock.MonoNow())
		r.take("an end", func(s *measurement.Sample) bool { return s.Kind == measurement.KindEnd })
	})
}
