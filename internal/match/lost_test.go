package match

import (
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// Probes that arrive between those that are lost do not change when these were sent.
func TestSequenceTellsWhenEachLostProbeWasSent(t *testing.T) {
	const interval = 10 * time.Millisecond
	s := newSightings()
	var want, got []clock.Wall
	take := func(lost []Lost) {
		for _, l := range lost {
			if l.Count == 1 && l.Sent != l.Last {
				t.Errorf("one loss from %d to %d", l.Sent, l.Last)
			}
			for i := range l.Count {
				at := l.Sent
				if l.Count > 1 {
					at += clock.Wall(i) * (l.Last - l.Sent) / clock.Wall(l.Count-1)
				}
				got = append(got, at)
			}
		}
	}
	lost := func(n uint32) bool {
		return n%7 == 3 || n%7 == 4 || n%11 == 5 || 300 <= n && n < 1500 // an outage of 12 s, too
	}
	now := clock.Mono(0)
	for n := range uint32(1996) { // the last one arrives
		sent := clock.Mono(n) * clock.Mono(interval)
		now = sent + ms
		if lost(n) {
			want = append(want, epochStart+clock.Wall(sent))
			continue
		}
		_, found := s.Arrive(Sighting{Number: n, T1: epochStart + clock.Wall(sent), T2: epochStart + clock.Wall(now), At: now}, s.scratch)
		take(found)
		take(s.Settle(now, windowTimeout, s.scratch))
	}
	take(s.Settle(now.Add(windowTimeout), windowTimeout, s.scratch))
	slices.Sort(got)
	if len(got) != len(want) {
		t.Fatalf("%d losses, want %d", len(got), len(want))
	}
	for i := range want {
		if off := got[i].Sub(want[i]).Abs(); off > time.Microsecond {
			t.Fatalf("loss %d was sent at %d, want %d", i, got[i]-epochStart, want[i]-epochStart)
		}
	}
}
