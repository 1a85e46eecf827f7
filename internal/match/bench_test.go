package match

import (
	"fmt"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

func TestTableDoesNotAllocate(t *testing.T) {
	table := NewTable(textConfig())
	now := clock.Mono(0)
	got := testing.AllocsPerRun(3000, func() {
		now += ms
		seq, number := table.Next()
		table.Add(now, clock.Wall(now), 0)
		table.Transmitted(seq, clock.Wall(now)+1)
		if seq%2 == 0 {
			table.Match(&Reply{Number: uint64(number), T2: clock.Wall(now), Read: now + ms/2})
		}
		table.Match(&Reply{Number: uint64(number), T2: clock.Wall(now), Read: now + ms/2})
		table.Expire(now)
		if seq%64 == 0 {
			table.Unreachable(uint64(number), now)
			table.Abandon()
		}
	})
	if got != 0 {
		t.Errorf("Table allocates %v times a probe, want 0", got)
	}
}

func TestWindowDoesNotAllocate(t *testing.T) {
	var w Window
	w.Reset(textNumbers)
	seq := uint64(0)
	got := testing.AllocsPerRun(3000, func() {
		seq += 1 + seq%3
		at := clock.Mono(seq) * ms
		w.Arrive(seq%textNumbers, clock.Wall(at), at)
		w.Arrive((seq+textNumbers-1)%textNumbers, clock.Wall(at-ms), at)
		if w.Pending() {
			w.Settle(at, 20*time.Millisecond)
		}
	})
	if got != 0 {
		t.Errorf("Window allocates %v times a probe, want 0", got)
	}
}

// What a probe costs the sender, by the round-trip time in probes: each wrap within it is looked at.
func BenchmarkTableAddAndMatch(b *testing.B) {
	for _, inFlight := range []uint64{1, 90, 900} {
		b.Run(fmt.Sprintf("inflight=%d", inFlight), func(b *testing.B) {
			table := NewTable(textConfig())
			table.known, table.way = true, time.Duration(inFlight)*time.Millisecond
			b.ReportAllocs()
			for b.Loop() {
				seq, _ := table.Next()
				now := clock.Mono(seq) * ms
				table.Add(now, clock.Wall(now), 0)
				if seq >= inFlight {
					table.Match(&Reply{Number: (seq - inFlight) % textNumbers, T2: clock.Wall(now), Read: now})
				}
			}
		})
	}
}

// The same where numbers do not come again, as in STAMP: of each reply one looks first whose it is.
func BenchmarkTableFindAndMatch(b *testing.B) {
	for _, inFlight := range []uint64{1, 900} {
		b.Run(fmt.Sprintf("inflight=%d", inFlight), func(b *testing.B) {
			table := NewTable(Config{Numbers: stampNumbers, Timeout: time.Second, Interval: time.Millisecond})
			b.ReportAllocs()
			for b.Loop() {
				seq, _ := table.Next()
				now := clock.Mono(seq) * ms
				table.Add(now, clock.Wall(now), 0)
				if seq < inFlight {
					continue
				}
				number := (seq - inFlight) % stampNumbers
				if _, ok := table.Find(number); !ok {
					b.Fatalf("probe %d is not known", number)
				}
				table.Match(&Reply{Number: number, T2: clock.Wall(now), Read: now})
			}
		})
	}
}

// What a probe costs that is never answered: it is settled when its time is over.
func BenchmarkTableExpire(b *testing.B) {
	table := NewTable(Config{Numbers: stampNumbers, Timeout: time.Second, Interval: time.Millisecond})
	b.ReportAllocs()
	for b.Loop() {
		seq, _ := table.Next()
		now := clock.Mono(seq) * ms
		table.Add(now, clock.Wall(now), 0)
		if _, lost := table.Expire(now); !lost && seq > 2000 {
			b.Fatalf("nothing was lost by probe %d", seq)
		}
	}
}

func BenchmarkWindowArrive(b *testing.B) {
	for _, lossEvery := range []uint64{0, 10, 2} {
		b.Run(fmt.Sprintf("lossEvery=%d", lossEvery), func(b *testing.B) {
			var w Window
			w.Reset(textNumbers)
			seq := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				seq++
				if lossEvery > 0 && seq%lossEvery == 0 {
					seq++
				}
				w.Arrive(seq%textNumbers, clock.Wall(seq)*clock.Wall(ms), clock.Mono(seq)*ms)
			}
		})
	}
}

// What it costs the receiver to look for what is missing since timeout, every time that it may.
func BenchmarkWindowSettle(b *testing.B) {
	for _, lossEvery := range []uint64{0, 10} {
		b.Run(fmt.Sprintf("lossEvery=%d", lossEvery), func(b *testing.B) {
			var w Window
			w.Reset(textNumbers)
			seq := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				seq++
				if lossEvery > 0 && seq%lossEvery == 0 {
					seq++
				}
				at := clock.Mono(seq) * ms
				w.Arrive(seq%textNumbers, clock.Wall(at), at)
				w.Settle(at, 20*time.Millisecond)
			}
		})
	}
}
