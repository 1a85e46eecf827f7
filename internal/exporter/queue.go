package exporter

import "sync"

// Sizes of queues.
const (
	// DefaultBuffer is how many points wait for a backend at most, unless its Pacing says otherwise.
	DefaultBuffer = 100_000

	batchSize    = 512  // points handed to Publish at once at most, unless its Pacing says otherwise
	initialQueue = 1024 // records; the queue grows from there as needed

	// maxRuns bounds the points that runs of lost probes put into one queue, a few seconds of a
	// backend's work. Memory is bounded without it, the time to work them off is not.
	maxRuns = 10_000_000
)

// run is a point that happened count times, evenly until last: lost probes are noticed many at a time,
// and are expanded only when they leave the queue.
type run struct {
	Point
	count int64 // 1 or more
	last  int64 // the time of the last one; of no meaning if it is the only one
}

// next takes the first point of a run that has one.
func (r *run) next() Point {
	p := r.Point
	if r.count--; r.count > 0 {
		r.Time += (r.last - r.Time) / r.count
	}
	return p
}

// queue is the points that wait for one backend, and the count of what became of all others. The
// exporter puts, the backend's goroutine takes and settles, anybody counts. It holds the lock for
// copying a batch at most, and never while a backend works.
//
// Copying beats sharing batches by reference count: a point is 24 octets, and the memory bound is
// exact, also when every poll yields a batch of three.
type queue struct {
	limit int           // runs
	wake  chan struct{} // holds a token after put and close: the taker looks again

	mu      sync.Mutex
	ring    []run // grows up to limit
	first   int
	length  int
	waiting int64 // points in ring
	taken   int64 // points taken and not settled
	sent    int64
	dropped int64
	failed  int64
	retries int64
	closed  bool
}

func newQueue(limit int) *queue {
	if limit <= 0 {
		limit = DefaultBuffer
	}
	return &queue{limit: limit, wake: make(chan struct{}, 1), ring: make([]run, min(limit, initialQueue))}
}

// put appends runs. Where there is no room it drops the oldest, and counts them.
func (q *queue) put(runs []run) {
	q.mu.Lock()
	for i := range runs {
		if q.closed {
			q.dropped += runs[i].count
			continue
		}
		q.makeRoom(runs[i].count)
		q.ring[q.at(q.length)] = runs[i]
		q.length++
		q.waiting += runs[i].count
	}
	q.mu.Unlock()
	q.signal()
}

// makeRoom makes room for a run of count.
func (q *queue) makeRoom(count int64) {
	for q.length == q.limit || q.length > 0 && count > 1 && q.waiting+count > maxRuns {
		q.dropped += q.ring[q.first].count
		q.waiting -= q.ring[q.first].count
		q.removeFirst()
	}
	if q.length == len(q.ring) {
		q.grow()
	}
}

func (q *queue) removeFirst() {
	q.ring[q.first] = run{} // lets go of the series
	q.first = q.at(1)
	q.length--
}

func (q *queue) grow() {
	larger := make([]run, min(2*len(q.ring), q.limit))
	n := copy(larger, q.ring[q.first:])
	copy(larger[n:], q.ring[:q.first])
	q.ring, q.first = larger, 0
}

// at is the place of the i-th oldest run.
func (q *queue) at(i int) int {
	i += q.first
	if i >= len(q.ring) {
		i -= len(q.ring)
	}
	return i
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take moves the oldest points to dst[:0], up to its capacity. They count as queued until they are
// settled. When there are none it reports whether more may come; to wait, receive from wake.
func (q *queue) take(dst []Point) (points []Point, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	points = dst[:0]
	for q.length > 0 && len(points) < cap(points) {
		oldest := &q.ring[q.first]
		n := min(oldest.count, int64(cap(points)-len(points)))
		for range n {
			points = append(points, oldest.next())
		}
		if oldest.count == 0 {
			q.removeFirst()
		}
	}
	q.waiting -= int64(len(points))
	q.taken += int64(len(points))
	return points, len(points) > 0 || !q.closed
}

// ready reports whether so many points wait, or no more will come.
func (q *queue) ready(points int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting >= int64(points) || q.closed
}

// ending reports whether no more will come.
func (q *queue) ending() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// retry counts another try for the same points.
func (q *queue) retry() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retries++
}

// unsettled is how many points were taken and not settled.
func (q *queue) unsettled() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.taken
}

// settleSent counts all points that were taken as sent, and returns how many these are.
func (q *queue) settleSent() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.taken
	q.sent += n
	q.taken = 0
	return n
}

// settleDropped counts the last n points that were taken as dropped.
func (q *queue) settleDropped(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, q.taken)
	q.dropped += n
	q.taken -= n
}

// settleFailed counts the last n points that were taken as failed.
func (q *queue) settleFailed(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, q.taken) // less when abandon was faster
	q.failed += n
	q.taken -= n
}

// close lets the taker finish: what is put from now on is dropped. It returns how many points were so far.
func (q *queue) close() (dropped int64) {
	q.mu.Lock()
	q.closed = true
	dropped = q.dropped
	q.mu.Unlock()
	q.signal()
	return dropped
}

// abandon closes the queue and counts all that is in it, or taken and not settled, as dropped. It
// returns how many points these were. What the taker settles afterwards no longer counts.
func (q *queue) abandon() int64 {
	q.mu.Lock()
	lost := q.waiting + q.taken
	q.dropped += lost
	q.waiting, q.taken = 0, 0
	q.ring, q.first, q.length = nil, 0, 0
	q.closed = true
	q.mu.Unlock()
	q.signal()
	return lost
}

func (q *queue) counters(name string) BackendCounters {
	q.mu.Lock()
	defer q.mu.Unlock()
	return BackendCounters{
		Name: name, Retries: uint64(q.retries),
		Queued: uint64(q.waiting + q.taken), Sent: uint64(q.sent),
		Dropped: uint64(q.dropped), Failed: uint64(q.failed),
	}
}
