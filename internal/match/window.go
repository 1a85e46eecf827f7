package match

import (
	"math/bits"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

const (
	windowSize = 64 // seqs for which the order of arrival does not matter
	// slopeSpan is over how many probes the interval between them is measured: enough for a mean that is
	// right to a thousandth with a jitter of one interval.
	slopeSpan = 1024
	// firstSpan is over how many probes it is measured at first. Fewer may have arrived bunched.
	firstSpan = 64
	// pause is how many intervals without a probe, and none missing, make a pause of the sender.
	pause = 8
)

// Window follows the numbers of one session's probes as they arrive and counts those that do not. A
// missing probe is declared lost once it is a timeout or windowSize probes behind.
type Window struct {
	numbers  uint64
	head     uint64 // highest seq that arrived
	headAt   clock.Mono
	arrived  uint64 // bit i: seq head-i arrived, or was before the session's first
	settled  uint64 // bit i: seq head-i was declared lost
	noticed  [windowSize]clock.Mono
	anchor   uint64 // the interval is measured from here
	anchorAt clock.Mono
	interval time.Duration // 0 = unknown
	whole    bool          // interval is the mean over slopeSpan
	paused   bool          // there was a pause before head
	begun    bool
}

// Reset begins a new session with this many numbers on the wire.
func (w *Window) Reset(numbers uint64) { *w = Window{numbers: numbers} }

// Arrive takes a probe with this number that arrived at the time at. lost is how many others it shows
// to be lost for good; those that may yet come are settled by Settle. Only Fresh probes were not
// there before; reordered says that a later one was before this. A number out of range is Unmatched.
func (w *Window) Arrive(number uint64, at clock.Mono) (seq uint64, v Verdict, reordered bool, lost uint64) {
	if number >= w.numbers {
		return 0, Unmatched, false, 0
	}
	if !w.begun {
		*w = Window{numbers: w.numbers, head: number, headAt: at, arrived: ^uint64(0), anchor: number, anchorAt: at, begun: true}
		return number, Fresh, false, 0
	}
	step := w.advance(number, at)
	if step <= 0 {
		seq, v, reordered = w.behind(uint64(-step))
		return seq, v, reordered, 0
	}
	gap := at.Sub(w.headAt)
	lost = w.shift(uint64(step), at)
	w.measure(uint64(step), gap)
	return w.head, Fresh, false, lost
}

// advance finds by how many seqs a number is ahead of head, or behind it (0 and less). The number says
// it up to a multiple of numbers; of these the nearest to what the time since head suggests is meant.
// But a number that follows directly is the next probe however long it took: its sender paused.
//
// With 101 numbers that is right if the time since head is known to half a wrap, 50 intervals: for a
// loss of up to 50 probes before firstSpan, and later for outages that the interval is good for. Not
// seen is an outage after which the number that follows directly comes by chance (101, 202, … lost).
func (w *Window) advance(number uint64, at clock.Mono) int64 {
	numbers := int64(w.numbers)
	delta := int64((number + w.numbers - w.head%w.numbers) % w.numbers)
	if delta == 1 {
		return 1
	}
	expected := int64(1)
	if w.interval > 0 {
		expected = max(1, int64((at.Sub(w.headAt)+w.interval/2)/w.interval))
	}
	// delta + j x numbers with j >= -1, nearest to expected
	j := (expected - delta + numbers/2)
	if j < 0 {
		return delta - numbers
	}
	return delta + j/numbers*numbers
}

// behind settles a probe that is i seqs behind head.
func (w *Window) behind(i uint64) (seq uint64, v Verdict, reordered bool) {
	seq = w.head - i
	if i >= windowSize {
		return seq, Late, true
	}
	bit := uint64(1) << i
	switch {
	case w.settled&bit != 0:
		w.settled &^= bit
		w.arrived |= bit
		return seq, Late, true
	case w.arrived&bit != 0:
		return seq, Duplicate, false
	}
	w.arrived |= bit
	return seq, Fresh, true
}

// shift moves head step seqs on and returns how many missing ones fell out of the window, and so are
// lost.
func (w *Window) shift(step uint64, at clock.Mono) (lost uint64) {
	missing := ^(w.arrived | w.settled)
	if step >= windowSize {
		lost = uint64(bits.OnesCount64(missing)) + step - windowSize
		w.arrived, w.settled = 0, 0
	} else {
		lost = uint64(bits.OnesCount64(missing >> (windowSize - step)))
		w.arrived <<= step
		w.settled <<= step
	}
	for i := uint64(1); i < min(step, windowSize); i++ {
		w.noticed[(w.head+step-i)%windowSize] = at
	}
	w.head += step
	w.headAt = at
	w.arrived |= 1
	return lost
}

// measure keeps the mean interval between probes up to date; gap is the time since the last one. It
// begins anew after a pause of the sender; two in a row are none, but a longer interval.
func (w *Window) measure(step uint64, gap time.Duration) {
	if step == 1 && w.interval > 0 && gap > pause*w.interval {
		if w.paused {
			w.interval, w.whole = 0, false
		}
		w.paused = true
		w.anchor, w.anchorAt = w.head, w.headAt
		return
	}
	w.paused = false
	n := w.head - w.anchor
	if n < firstSpan || w.whole && n < slopeSpan {
		return // the last span is better than a short one
	}
	w.interval = w.headAt.Sub(w.anchorAt) / time.Duration(n)
	if n >= slopeSpan {
		w.anchor, w.anchorAt, w.whole = w.head, w.headAt, true
	}
}

// Pending reports whether a probe is missing and not settled yet.
func (w *Window) Pending() bool { return w.begun && w.arrived|w.settled != ^uint64(0) }

// Settle declares lost what has been missing for the timeout at now and returns how many those are.
func (w *Window) Settle(now clock.Mono, timeout time.Duration) (lost uint64) {
	if !w.Pending() {
		return 0
	}
	for missing := ^(w.arrived | w.settled); missing != 0; missing &= missing - 1 {
		i := uint64(bits.TrailingZeros64(missing))
		if now.Sub(w.noticed[(w.head-i)%windowSize]) >= timeout {
			w.settled |= 1 << i
			lost++
		}
	}
	return lost
}
