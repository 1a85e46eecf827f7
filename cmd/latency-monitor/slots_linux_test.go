package main_test

import (
	"slices"
	"testing"
	"time"
)

// checkSlots checks a run of UDP probes at an interval: every slot between the first and the last
// probe was sent or skipped, and no probe was received twice. The receiver's delays tell when each
// probe was sent: T1 = T2 - OWD.
func checkSlots(t *testing.T, receiver *output, prober counters, interval time.Duration) {
	t.Helper()
	var sent []int64
	for _, p := range receiver.points {
		if p.Metric == "udp.wan.owd" {
			sent = append(sent, p.Time-p.Value)
		}
	}
	slices.Sort(sent)
	if distinct := len(slices.Compact(slices.Clone(sent))); distinct != len(sent) {
		t.Errorf("%d probes received, but only %d different times of sending", len(sent), distinct)
	}
	first, last := sent[0], sent[len(sent)-1]
	slots := int((last-first+int64(interval)/2)/int64(interval)) + 1

	// T1 is the slot's time and how late the probe was, which differs between the first and the last by
	// at most lateness_max. And slots may have been skipped before the first probe and after the last.
	tolerance := int((prober.duration("lateness_max")+interval/2)/interval) + int(ends/interval)
	accounted := prober.of("slots_sent") + prober.of("slots_skipped")
	t.Logf("%d slots between the first probe and the last; %d sent, %d skipped; tolerance %d",
		slots, prober.of("slots_sent"), prober.of("slots_skipped"), tolerance)
	if diff := accounted - slots; max(diff, -diff) > tolerance {
		t.Errorf("%d slots sent + %d skipped = %d, want %d, the slots between the first probe and the last, give or take %d",
			prober.of("slots_sent"), prober.of("slots_skipped"), accounted, slots, tolerance)
	}
}

// ends is for how long a busy machine may keep the prober from its first probe, and after its last one.
const ends = 5 * time.Millisecond
