package selfstats

import (
	"testing"
	"time"
)

func TestEveryCounterHasItsOwnName(t *testing.T) {
	seen := map[string]Counter{}
	for c := range NumCounters {
		if before, twice := seen[c.String()]; twice || c.String() == "" {
			t.Errorf("counter %d is named %q like %d", c, c, before)
		}
		seen[c.String()] = c
	}
}

func TestSumAddsBlocks(t *testing.T) {
	var a, b Block
	a.Add(SlotsSent, 3)
	b.Inc(SlotsSent)
	b.Add(SkippedLate, 2)
	b.Add(SkippedSendError, 5)
	a.Late(time.Microsecond)
	b.Late(time.Millisecond)
	got := Sum([]*Block{&a, &b})
	if got.Counts[SlotsSent] != 4 || got.Skipped() != 7 || got.Lateness.Count != 2 || got.Lateness.Max != time.Millisecond {
		t.Errorf("Sum = sent %d, skipped %d, lateness %d up to %v, want 4, 7, 2 up to 1ms",
			got.Counts[SlotsSent], got.Skipped(), got.Lateness.Count, got.Lateness.Max)
	}
}

func TestBucketsCoverEveryDurationInOrder(t *testing.T) {
	last := -1
	for d := time.Duration(0); d < 2*time.Hour; d += 1 + d/100 {
		i := bucketOf(d)
		if i < last || i >= buckets {
			t.Fatalf("bucketOf(%v) = %d after %d", d, i, last)
		}
		last = i
		if edge := upperEdge(i); i < buckets-1 && (edge < d || edge > d+d/8+1) {
			t.Fatalf("upperEdge(%d) = %v for %v, want within 12.5 %% above", i, edge, d)
		}
	}
	if bucketOf(-time.Second) != 0 {
		t.Error("a negative duration must count as 0")
	}
}

func TestQuantiles(t *testing.T) {
	var b Block
	for i := range 1000 {
		b.Late(time.Duration(i+1) * time.Microsecond)
	}
	s := Sum([]*Block{&b}).Lateness
	for q, want := range map[float64]time.Duration{0: time.Microsecond, 0.5: 500 * time.Microsecond, 0.99: 990 * time.Microsecond, 1: time.Millisecond} {
		if got := s.Quantile(q); got < want || got > want+want/7 {
			t.Errorf("Quantile(%v) = %v, want %v to 14 %% above", q, got, want)
		}
	}
	if got := s.Sub(s); got.Count != 0 || got.Quantile(0.5) != s.Max {
		t.Errorf("Sub of itself has count %d", got.Count)
	}
	if (Snapshot{}).Quantile(0.5) != 0 {
		t.Error("quantile of nothing must be 0")
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	var b Block
	if n := testing.AllocsPerRun(100, func() { b.Inc(SlotsSent); b.Late(time.Microsecond) }); n != 0 {
		t.Errorf("counting allocates %v times, want 0", n)
	}
}
