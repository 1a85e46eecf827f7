package schedule

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

const ms = clock.Mono(time.Millisecond)

func TestFirstSlotIsOnTheGridAndNotBefore(t *testing.T) {
	tests := []struct {
		name            string
		phase, interval time.Duration
		at, want        clock.Mono
	}{
		{"exactly on a slot", 0, time.Millisecond, 5 * ms, 5 * ms},
		{"just after a slot", 0, time.Millisecond, 5*ms + 1, 6 * ms},
		{"phase shifts the grid", 300 * time.Microsecond, time.Millisecond, 5 * ms, 5*ms + 300_000},
		{"before the first slot of all", 3 * time.Second, 5 * time.Second, 1, clock.Mono(3 * time.Second)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Grid{tt.phase, tt.interval}).First(tt.at); got != tt.want {
				t.Errorf("First(%d) = %d, want %d", tt.at, got, tt.want)
			}
		})
	}
}

func TestCountIsOfSlotsWithinATime(t *testing.T) {
	g := Grid{Phase: 300 * time.Microsecond, Interval: time.Millisecond}
	for _, tt := range []struct {
		from, to clock.Mono
		want     int64
	}{
		{5 * ms, 5*ms + 299_999, 0},
		{5 * ms, 5*ms + 300_000, 1},
		{5*ms + 300_000, 5*ms + 300_000, 1},
		{5*ms + 300_001, 6 * ms, 0},
		{0, 10 * ms, 10},
		{10 * ms, 0, 0},
	} {
		if got := g.Count(tt.from, tt.to); got != tt.want {
			t.Errorf("Count(%d, %d) = %d, want %d", tt.from, tt.to, got, tt.want)
		}
	}
}

func TestPop(t *testing.T) {
	tests := []struct {
		name        string
		now         clock.Mono // the slot is at 10 ms, the interval 1 ms
		wantDue     bool
		wantAt      clock.Mono
		wantSkipped int64
		wantNext    clock.Mono
	}{
		{"a slot in the future is not due", 9 * ms, false, 0, 0, 10 * ms},
		{"a slot on time is sent", 10 * ms, true, 10 * ms, 0, 11 * ms},
		{"half an interval late is still sent", 10*ms + ms/2, true, 10 * ms, 0, 11 * ms},
		{"more than half is skipped, and the next is not due yet", 10*ms + ms/2 + 1, false, 11 * ms, 1, 11 * ms},
		{"one interval late skips one and sends the next", 11 * ms, true, 11 * ms, 1, 12 * ms},
		{"a long stall skips all at once and sends one", 5010 * ms, true, 5010 * ms, 5000, 5011 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var q Queue
			q.Add(3, Grid{0, time.Millisecond}, 10*ms)
			slot, skipped, due := q.Pop(tt.now, tt.now)
			if due != tt.wantDue || skipped != tt.wantSkipped || (due && slot.At != tt.wantAt) {
				t.Errorf("Pop = at %d, skipped %d, due %v, want %d, %d, %v", slot.At, skipped, due, tt.wantAt, tt.wantSkipped, tt.wantDue)
			}
			if q.Next() != tt.wantNext {
				t.Errorf("Next = %d, want %d", q.Next(), tt.wantNext)
			}
		})
	}
}

// Whatever the delays of the thread, every slot of every session is sent or skipped exactly once, in
// order, and nothing is sent more than half an interval late.
func TestEverySlotIsSentOrSkippedOnce(t *testing.T) {
	intervals := []time.Duration{100 * time.Microsecond, time.Millisecond, 7 * time.Millisecond}
	var q Queue
	for i, d := range intervals {
		q.Add(i, Grid{d / 3, d}, 0)
	}
	random := rand.New(rand.NewPCG(1, 1))
	counted := make([]int64, len(intervals))
	now := clock.Mono(0)
	for now < 1000*ms {
		now += clock.Mono(random.ExpFloat64() * float64(200*time.Microsecond))
		for q.Next() <= now {
			slot, skipped, due := q.Pop(now, now)
			counted[slot.ID] += skipped
			if !due {
				continue
			}
			d := clock.Mono(intervals[slot.ID])
			if want := d/3 + clock.Mono(counted[slot.ID])*d; slot.At != want || now-slot.At > d/2 {
				t.Fatalf("session %d: slot at %d sent at %d, want %d", slot.ID, slot.At, now, want)
			}
			counted[slot.ID]++
		}
	}
	for i, d := range intervals {
		if want := int64((now-clock.Mono(d/3))/clock.Mono(d)) + 1; counted[i] != want && counted[i] != want-1 {
			t.Errorf("session %d: %d slots, want %d", i, counted[i], want)
		}
	}
}

func TestRemoveAndClear(t *testing.T) {
	var q Queue
	for i := range 5 {
		q.Add(i, Grid{time.Duration(i), time.Millisecond}, 0)
	}
	q.Remove(0)
	q.Remove(7)
	if slot, _, due := q.Pop(10, 10); !due || slot.ID != 1 {
		t.Errorf("Pop = session %d, due %v, want 1", slot.ID, due)
	}
	q.Clear()
	if q.Next() != clock.Never {
		t.Errorf("Next of a cleared queue = %d, want Never", q.Next())
	}
}

func TestQueueKeepsItsOrderWhileSessionsComeAndGo(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	var q Queue
	there := map[int]clock.Mono{} // next slot by session
	now := clock.Mono(0)
	const interval = time.Millisecond
	for range 20_000 {
		switch id := random.IntN(50); {
		case there[id] == 0 && random.IntN(2) == 0:
			g := Grid{time.Duration(random.IntN(int(interval))), interval}
			q.Add(id, g, now)
			there[id] = g.First(now)
		case random.IntN(4) == 0:
			q.Remove(id)
			delete(there, id)
		}
		if len(there) == 0 {
			continue
		}
		earliest := slices.Min(slices.Collect(maps.Values(there)))
		now = earliest
		slot, _, due := q.Pop(now, now)
		if !due || slot.At != earliest || there[slot.ID] != earliest {
			t.Fatalf("Pop = session %d at %d, due %v, want one at %d", slot.ID, slot.At, due, earliest)
		}
		there[slot.ID] += clock.Mono(interval)
	}
}

func TestSpreadIsEven(t *testing.T) {
	got := Spread(time.Millisecond, 4)
	for i, want := range []time.Duration{0, 250, 500, 750} {
		if got[i] != want*time.Microsecond {
			t.Errorf("phase %d = %v, want %vµs", i, got[i], int64(want))
		}
	}
}

func TestPopDoesNotAllocate(t *testing.T) {
	var q Queue
	for i := range 100 {
		q.Add(i, Grid{time.Duration(i), time.Millisecond}, 0)
	}
	if n := testing.AllocsPerRun(1000, func() { q.Pop(q.Next(), q.Next()) }); n != 0 {
		t.Errorf("Pop allocates %v times, want 0", n)
	}
}

// What the next slot costs, by how many sessions there are.
func BenchmarkPop(b *testing.B) {
	for _, sessions := range []int{1, 100, 5000} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			var q Queue
			for i := range sessions {
				q.Add(i, Grid{time.Duration(i), time.Millisecond}, 0)
			}
			b.ReportAllocs()
			for b.Loop() {
				q.Pop(q.Next(), q.Next())
			}
		})
	}
}
