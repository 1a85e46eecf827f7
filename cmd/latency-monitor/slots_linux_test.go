package main_test

import (
	"slices"
	"testing"
	"time"
)

// checkSlots checks a run of UDP probes at an interval: every slot between the first and the last
// probe was sent or skipped, and no probe was received twice.
func checkSlots(t *testing.T, receiver *output, prober counters, interval time.Duration) {
	t.Helper()
	checkAllSlots(t, receiver, prober, schedule{interval: interval, sessions: 1, ends: 20 * time.Millisecond})
}

// schedule is what a daemon has to do: sessions of the same interval, one of them over UDP, which begin
// and end together.
type schedule struct {
	interval time.Duration
	sessions int
	kills    int // times that its engine process was killed meanwhile
	// ends is for how long a busy machine may keep the prober from its first probes, and after its last ones.
	ends time.Duration
}

// timesOfSending are the T1 of the UDP probes that a daemon received, in order: T1 = T2 - OWD.
func timesOfSending(receiver *output) []int64 {
	var sent []int64
	for _, p := range receiver.points {
		if p.Metric == "udp.wan.owd" {
			sent = append(sent, p.Time-p.Value)
		}
	}
	slices.Sort(sent)
	return sent
}

// checkAllSlots is checkSlots for several sessions.
func checkAllSlots(t *testing.T, receiver *output, prober counters, s schedule) {
	t.Helper()
	sent := timesOfSending(receiver)
	if distinct := len(slices.Compact(slices.Clone(sent))); distinct != len(sent) {
		t.Errorf("%d probes received, but only %d different times of sending", len(sent), distinct)
	}
	first, last := sent[0], sent[len(sent)-1]
	slots := s.sessions * (int((last-first+int64(s.interval)/2)/int64(s.interval)) + 1)

	// T1 is the slot's time and how late the probe was, which differs between the first and the last by
	// at most lateness_max. And slots may have been skipped before the first probe and after the last. An
	// engine process that dies between sending a probe and counting it, or between that and saying up to
	// when it has counted, leaves one slot of each session uncounted or counted twice.
	tolerance := int((prober.duration("lateness_max")+s.interval/2)/s.interval) + int(s.ends/s.interval) + s.kills
	tolerance *= s.sessions
	accounted := prober.of("slots_sent") + prober.of("slots_skipped")
	t.Logf("%d slots between the first probe and the last; %d sent, %d skipped; tolerance %d",
		slots, prober.of("slots_sent"), prober.of("slots_skipped"), tolerance)
	if diff := accounted - slots; max(diff, -diff) > tolerance {
		t.Errorf("%d slots sent + %d skipped = %d, want %d, the slots between the first probe and the last, give or take %d",
			prober.of("slots_sent"), prober.of("slots_skipped"), accounted, slots, tolerance)
	}
}
