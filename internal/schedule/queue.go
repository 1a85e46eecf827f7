package schedule

import "github.com/latency-monitor/latency-monitor/internal/clock"

// Queue orders the next slots of many sessions. Not safe for concurrent use.
//
// It is a binary heap, the earliest slot at its root. That of the standard library would call Less and
// Swap through an interface, several times for every probe.
type Queue struct {
	slots []Slot // slots[i] is not after slots[2i+1] and slots[2i+2]
}

// Slot is one scheduled send instant.
type Slot struct {
	ID int        // the session's, as given to Add
	At clock.Mono // when it should be sent

	grid Grid
}

// Add starts a session's grid with its first slot at or after since. Slots that are over by the time of
// the next Pop are missed ones.
func (q *Queue) Add(id int, g Grid, since clock.Mono) {
	q.slots = append(q.slots, Slot{ID: id, At: g.First(since), grid: g})
	q.up(len(q.slots) - 1)
}

// Remove ends a session's grid.
func (q *Queue) Remove(id int) {
	for i := range q.slots {
		if q.slots[i].ID == id {
			q.removeAt(i)
			return
		}
	}
}

// Clear ends all grids.
func (q *Queue) Clear() { q.slots = nil }

// Next is the time of the earliest slot; clock.Never when there is none.
func (q *Queue) Next() clock.Mono {
	if len(q.slots) == 0 {
		return clock.Never
	}
	return q.slots[0].At
}

// Pop takes the earliest slot if it is not later than until, and puts the session's following slot in
// its place. Slots that at now are more than half an interval ago are passed over; skipped says how
// many. With due false there is nothing to send for slot.ID, but skipped counts all the same; the
// caller goes on until Next is after until. Pop does not allocate.
func (q *Queue) Pop(now, until clock.Mono) (slot Slot, skipped int64, due bool) {
	if q.Next() > until {
		return Slot{}, 0, false
	}
	slot = q.slots[0]
	skipped = slot.grid.missed(slot.At, now)
	slot.At += clock.Mono(skipped * int64(slot.grid.Interval))
	due = slot.At <= until
	following := slot.At
	if due {
		following += clock.Mono(slot.grid.Interval)
	}
	q.slots[0].At = following
	q.down(0)
	return slot, skipped, due
}

// removeAt puts the last slot in the place of slot i, and that into order.
func (q *Queue) removeAt(i int) {
	last := len(q.slots) - 1
	q.slots[i] = q.slots[last]
	q.slots = q.slots[:last]
	if i < last {
		q.up(i)
		q.down(i)
	}
}

// up moves slot i towards the root while it is before its parent.
func (q *Queue) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !q.slots[i].before(&q.slots[parent]) {
			return
		}
		q.slots[i], q.slots[parent] = q.slots[parent], q.slots[i]
		i = parent
	}
}

// down moves slot i away from the root while one of its children is before it.
func (q *Queue) down(i int) {
	for {
		first := 2*i + 1
		if first >= len(q.slots) {
			return
		}
		if second := first + 1; second < len(q.slots) && q.slots[second].before(&q.slots[first]) {
			first = second
		}
		if !q.slots[first].before(&q.slots[i]) {
			return
		}
		q.slots[i], q.slots[first] = q.slots[first], q.slots[i]
		i = first
	}
}

// before orders slots by time; those of the same time by ID.
func (s *Slot) before(other *Slot) bool {
	if s.At != other.At {
		return s.At < other.At
	}
	return s.ID < other.ID
}
