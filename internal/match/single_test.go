package match

import (
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

func stampTable() *Table {
	return NewTable(Config{Numbers: stampNumbers, Timeout: time.Second, Interval: 10 * time.Millisecond})
}

func TestFindKnowsProbesByNumberAcrossTheWrap(t *testing.T) {
	const first = 2*stampNumbers - 3
	table := stampTable()
	table.Reset(first)
	for i := range clock.Mono(6) {
		mustAdd(t, table, i*10*ms)
	}
	for i := range uint64(6) {
		number := uint64(uint32(first + i))
		if p, ok := table.Find(number); !ok || p.Seq != first+i {
			t.Errorf("Find(%d) = seq %d, %v, want %d", number, p.Seq, ok, uint64(first+i))
		}
	}
	for _, number := range []uint64{3, stampNumbers - 4, 1 << 31, stampNumbers, 1<<64 - 1} {
		if p, ok := table.Find(number); ok {
			t.Errorf("Find(%d) = seq %d, want none", number, p.Seq)
		}
	}
	wantMatch(t, table, 1, 60*ms, first+4, Fresh, false)
	wantMatch(t, table, stampNumbers-1, 60*ms, first+2, Fresh, true)
	if p, ok := table.Find(1); !ok || p.Seq != first+4 {
		t.Errorf("Find of an answered probe = seq %d, %v, want %d", p.Seq, ok, uint64(first+4))
	}
}

func TestResetTableKnowsNothingOfBefore(t *testing.T) {
	table := stampTable()
	mustAdd(t, table, 0, 10*ms, 20*ms)
	wantMatch(t, table, 1, 30*ms, 1, Fresh, false)
	table.Reset(0)
	if seq, number := table.Next(); seq != 0 || number != 0 || table.Outstanding() != 0 || table.Frontier() != 0 {
		t.Errorf("after Reset: next %d, %d, %d outstanding, frontier %d, want all 0", seq, number, table.Outstanding(), table.Frontier())
	}
	mustAdd(t, table, second)
	wantMatch(t, table, 1, second+ms, 0, Unmatched, false)
	wantMatch(t, table, 0, second+ms, 0, Fresh, false)
	if n := testing.AllocsPerRun(10, func() { table.Reset(0) }); n != 0 {
		t.Errorf("Reset allocates %v times", n)
	}
}

func TestProbesThatAskForNoReplyAreNeverOutstanding(t *testing.T) {
	table := stampTable()
	mustAdd(t, table, 0)
	table.AddUnasked(10*ms, clock.Wall(10*ms), 0)
	table.AddUnasked(20*ms, clock.Wall(20*ms), 0)
	if n, f := table.Outstanding(), table.Frontier(); n != 1 || f != 0 {
		t.Errorf("%d outstanding, frontier %d, want 1 and 0", n, f)
	}
	wantMatch(t, table, 1, 30*ms, 1, Unasked, false)
	wantMatch(t, table, 1, 30*ms, 1, Unasked, false)
	wantExpired(t, table, second, 0)
	if f := table.Frontier(); f != 3 {
		t.Errorf("frontier %d, want 3", f)
	}
	for i := range clock.Mono(1000) {
		if !table.AddUnasked(second+i*10*ms, clock.Wall(second+i*10*ms), 0) {
			t.Fatalf("the table is full after %d probes that nobody waits for", i)
		}
	}
}
