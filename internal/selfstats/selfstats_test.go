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
	late := got.Lateness
	if got.Counts[SlotsSent] != 4 || got.Skipped() != 7 || late.Count != 2 || late.Max != time.Millisecond {
		t.Errorf("Sum = sent %d, skipped %d, lateness %d up to %v, want 4, 7, 2 up to 1ms",
			got.Counts[SlotsSent], got.Skipped(), late.Count, late.Max)
	}
}

func TestTakeOverKeepsAllCountsAndSettlesWhatWasUnderWay(t *testing.T) {
	var own, dead Block
	own.Add(SlotsSent, 1)
	dead.Add(SlotsSent, 10)
	dead.Add(ProbesAnswered, 5)
	dead.Add(ProbesLost, 2)
	dead.Add(ProbesAbandoned, 1)
	dead.Late(time.Millisecond)
	own.TakeOver(&dead)
	for c, want := range map[Counter]uint64{SlotsSent: 11, ProbesAnswered: 5, ProbesLost: 2, ProbesAbandoned: 3} {
		if got := own.Get(c); got != want {
			t.Errorf("%v = %d, want %d", c, got, want)
		}
	}
	if late := Sum([]*Block{&own}).Lateness; late.Count != 1 || late.Max != time.Millisecond {
		t.Errorf("lateness %d up to %v, want 1 up to 1ms", late.Count, late.Max)
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
	for q, want := range map[float64]time.Duration{
		0: time.Microsecond, 0.5: 500 * time.Microsecond, 0.99: 990 * time.Microsecond, 1: time.Millisecond,
	} {
		if got := s.Quantile(q); got < want || got > want+want/7 {
			t.Errorf("Quantile(%v) = %v, want %v to 14 %% above", q, got, want)
		}
	}
	if (Snapshot{}).Quantile(0.5) != 0 {
		t.Error("quantile of nothing must be 0")
	}
}

func TestBucketsHoldAllThatWasRecorded(t *testing.T) {
	var b Block
	for i := range 1000 {
		b.Late(time.Duration(i) * time.Microsecond)
	}
	var count uint64
	last := time.Duration(-1)
	s := Sum([]*Block{&b}).Lateness
	for edge, n := range s.Buckets() {
		if edge <= last {
			t.Errorf("edge %v after %v", edge, last)
		}
		last = edge
		count += n
	}
	if count != s.Count || last < s.Max {
		t.Errorf("buckets hold %d up to %v, want %d up to at least %v", count, last, s.Count, s.Max)
	}
}

func TestSubHasItsOwnMaximum(t *testing.T) {
	var b Block
	b.Late(100 * time.Microsecond)
	first := Sum([]*Block{&b}).Lateness
	b.Late(time.Microsecond)
	second := Sum([]*Block{&b}).Lateness
	b.Late(time.Millisecond + 1)
	third := Sum([]*Block{&b}).Lateness
	tests := []struct {
		name           string
		later, earlier Snapshot
		want           time.Duration
	}{
		{"since the start", second, Snapshot{}, 100 * time.Microsecond},
		{"below an earlier maximum", second, first, 1023},
		{"above an earlier maximum", third, second, time.Millisecond + 1},
		{"of nothing", first, first, 0},
	}
	for _, tt := range tests {
		got := tt.later.Sub(tt.earlier)
		if got.Max != tt.want || got.Quantile(1) != tt.want {
			t.Errorf("%s: Sub has Max %v and Quantile(1) %v, want both %v", tt.name, got.Max, got.Quantile(1), tt.want)
		}
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	var b Block
	if n := testing.AllocsPerRun(100, func() { b.Inc(SlotsSent); b.Late(time.Microsecond) }); n != 0 {
		t.Errorf("counting allocates %v times, want 0", n)
	}
}

// What counting one lateness costs a loop: short ones and long ones fall into different buckets.
func BenchmarkLate(b *testing.B) {
	var block Block
	b.ReportAllocs()
	for d := time.Duration(0); b.Loop(); d = (d + 997) % time.Millisecond {
		block.Late(d)
	}
}

// What a scrape or a line of counters costs, for the counters of both loops.
func BenchmarkSum(b *testing.B) {
	blocks := []*Block{new(Block), new(Block)}
	for d := range time.Duration(1000) {
		blocks[d%2].Late(d * time.Microsecond)
	}
	b.ReportAllocs()
	for b.Loop() {
		if Sum(blocks).Lateness.Quantile(0.99) == 0 {
			b.Fatal("no lateness")
		}
	}
}
