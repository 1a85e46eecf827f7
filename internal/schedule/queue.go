package schedule

import (
	"container/heap"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

// Queue orders the next slots of many sessions. Not safe for concurrent use.
type Queue struct {
	slots slotHeap
}

// Slot is one scheduled send instant.
type Slot struct {
	ID int        // the session's, as given to Add
	At clock.Mono // when it should be sent

	grid Grid
}

// Add starts a session's grid with its first slot at or after now.
func (q *Queue) Add(id int, g Grid, now clock.Mono) {
	heap.Push(&q.slots, Slot{ID: id, At: g.First(now), grid: g})
}

// Remove ends a session's grid.
func (q *Queue) Remove(id int) {
	for i := range q.slots {
		if q.slots[i].ID == id {
			heap.Remove(&q.slots, i)
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
	heap.Fix(&q.slots, 0)
	return slot, skipped, due
}

// slotHeap implements heap.Interface, earliest slot first. Slots of the same time go in order of ID.
type slotHeap []Slot

func (h slotHeap) Len() int      { return len(h) }
func (h slotHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h slotHeap) Less(i, j int) bool {
	if h[i].At != h[j].At {
		return h[i].At < h[j].At
	}
	return h[i].ID < h[j].ID
}

// Push implements heap.Interface.
func (h *slotHeap) Push(x any) { *h = append(*h, x.(Slot)) }

// Pop implements heap.Interface.
func (h *slotHeap) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	*h = (*h)[:last]
	return s
}
