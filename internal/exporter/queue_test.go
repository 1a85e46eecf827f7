package exporter

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

func single(value int64) run { return run{Point: Point{Value: value}, count: 1} }

// account fails the test unless the queue's counters are these.
func account(t *testing.T, q *queue, queued, sent, dropped, failed uint64) {
	t.Helper()
	want := BackendCounters{Name: "x", Queued: queued, Sent: sent, Dropped: dropped, Failed: failed}
	if got := q.counters("x"); !reflect.DeepEqual(got, want) {
		t.Errorf("counters = %+v, want %+v", got, want)
	}
}

func TestFullQueueDropsTheOldest(t *testing.T) {
	q := newQueue(3)
	q.put([]run{single(0), single(1), single(2), single(3), single(4)})
	account(t, q, 3, 0, 2, 0)
	points, _ := q.take(make([]Point, 0, 8))
	if len(points) != 3 || points[0].Value != 2 || points[2].Value != 4 {
		t.Errorf("take = %v, want the three newest", points)
	}
}

func TestPointsLeaveInOrderWhileTheQueueGrowsAndWraps(t *testing.T) {
	const limit = 5000
	q := newQueue(limit)
	rng := rand.New(rand.NewPCG(1, 2))
	buf := make([]Point, 0, batchSize)
	put, taken := int64(0), int64(0)
	for put < 100_000 {
		for range rng.IntN(700) {
			if put-taken < limit {
				q.put([]run{single(put)})
				put++
			}
		}
		points, _ := q.take(buf[:0:rng.IntN(batchSize)])
		for _, p := range points {
			if p.Value != taken {
				t.Fatalf("took %d, want %d", p.Value, taken)
			}
			taken++
		}
		q.settleSent()
	}
	account(t, q, uint64(put-taken), uint64(taken), 0, 0)
}

func TestRunIsExpandedWhenItLeaves(t *testing.T) {
	q := newQueue(2)
	q.put([]run{{Point: Point{Value: 1}, count: 1000}, single(7)})
	account(t, q, 1001, 0, 0, 0)
	buf := make([]Point, 0, 300)
	var all []Point
	for points, _ := q.take(buf); len(points) > 0; points, _ = q.take(buf) {
		all = append(all, points...)
	}
	if len(all) != 1001 || all[999].Value != 1 || all[1000].Value != 7 {
		t.Errorf("took %d points, want 1000 of value 1, then 7", len(all))
	}
}

func TestRunsAreBoundedInPoints(t *testing.T) {
	q := newQueue(100)
	for range 20 {
		q.put([]run{{count: maxLost}})
	}
	q.put([]run{single(7)}) // has room nevertheless
	account(t, q, maxRuns+1, 0, 20*maxLost-maxRuns, 0)
}

func TestEveryPointIsSettledOnce(t *testing.T) {
	q := newQueue(100)
	q.put(make([]run, 0))
	for i := range int64(10) {
		q.put([]run{single(i)})
	}
	buf := make([]Point, 0, 4)
	q.take(buf)
	q.settleSent()
	q.take(buf)
	q.settleFailed(3)
	account(t, q, 3, 4, 0, 3)
	if lost := q.abandon(); lost != 3 {
		t.Errorf("abandon = %d, want 3", lost)
	}
	account(t, q, 0, 4, 3, 3)

	q.settleSent() // of a backend that comes back from the dead
	q.settleFailed(1)
	q.put([]run{single(11)})
	account(t, q, 0, 4, 4, 3)
	if points, more := q.take(buf); len(points) > 0 || more {
		t.Errorf("take of an abandoned queue = %v, %v, want nothing, false", points, more)
	}
}

func TestClosedQueueIsEmptiedFirst(t *testing.T) {
	q := newQueue(10)
	q.put([]run{single(1)})
	q.close()
	q.put([]run{single(2)})
	buf := make([]Point, 0, 4)
	if points, more := q.take(buf); len(points) != 1 || !more {
		t.Errorf("take = %v, %v, want the one point, true", points, more)
	}
	if points, more := q.take(buf); len(points) != 0 || more {
		t.Errorf("take = %v, %v, want nothing, false", points, more)
	}
	q.settleSent()
	account(t, q, 0, 1, 1, 0)
}

func TestQueueDoesNotAllocateInSteadyState(t *testing.T) {
	q := newQueue(0)
	batch := make([]run, 100)
	for i := range batch {
		batch[i].count = 1
	}
	buf := make([]Point, 0, batchSize)
	if n := testing.AllocsPerRun(1000, func() { q.put(batch); q.take(buf); q.settleSent() }); n != 0 {
		t.Errorf("100 points allocate %v times, want 0", n)
	}
}
