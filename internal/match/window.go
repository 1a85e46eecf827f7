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
	// firstSpan is over how many probes it is measured at first. Fewer may have been sent bunched.
	firstSpan = 64
	// minInterval is the shortest that a prober has.
	minInterval = 100 * time.Microsecond
	// slackAtFirst is by how much the delay may vary before the interval is known.
	slackAtFirst = 20 * time.Millisecond
	// pause is how many intervals without a probe, and none missing, make a pause of the sender.
	pause = 8
	// lossesPerProbe bounds how many losses are declared for each probe that arrived. Anybody can send
	// probes, and each loss becomes a point.
	lossesPerProbe = 100
)

// Window follows the numbers of one session's probes as they arrive and counts those that do not. A
// missing probe is declared lost once it is a timeout or windowSize probes behind.
//
// How often the numbers wrapped within a gap, the time tells that the sender wrote into the probes. It
// knows nothing of queues on the way, from which probes arrive late and bunched.
type Window struct {
	numbers  uint64
	head     uint64 // highest seq that arrived
	headAt   clock.Mono
	arrived  uint64 // bit i: seq head-i arrived, or was before the session's first
	settled  uint64 // bit i: seq head-i was declared lost
	noticed  [windowSize]clock.Mono
	sender   senderClock
	anchor   uint64 // the interval is measured from here
	anchorAt time.Duration
	interval time.Duration // 0 = unknown
	whole    bool          // interval is the mean over slopeSpan
	paused   bool          // there was a pause before head
	begun    bool
	begunAt  clock.Mono
	received uint64 // probes
	declared uint64 // losses
}

// Reset begins a new session with this many numbers on the wire.
func (w *Window) Reset(numbers uint64) { *w = Window{numbers: numbers} }

// Arrive takes a probe with this number that was sent at the time sent, by its sender's clock, and
// arrived at the time at. lost is how many others it shows to be lost for good; those that may yet come
// are settled by Settle. Only Fresh probes were not there before; reordered says that a later one was
// before this. A number out of range is Unmatched.
func (w *Window) Arrive(number uint64, sent clock.Wall, at clock.Mono) (seq uint64, v Verdict, reordered bool, lost uint64) {
	if number >= w.numbers {
		return 0, Unmatched, false, 0
	}
	w.received++
	if !w.begun {
		*w = Window{
			numbers: w.numbers, head: number, headAt: at, arrived: ^uint64(0), sender: newSenderClock(sent, at),
			anchor: number, begun: true, begunAt: at, received: 1,
		}
		return number, Fresh, false, 0
	}
	delta := (number + w.numbers - w.head%w.numbers) % w.numbers
	elapsed := w.elapsed(delta, sent, at)
	step := w.advance(delta, elapsed)
	if step <= 0 {
		seq, v, reordered = w.behind(uint64(-step))
		return seq, v, reordered, 0
	}
	elapsed = max(0, elapsed)
	w.sender.advance(elapsed, sent, at)
	lost = w.declare(w.shift(uint64(step), at), at)
	w.measure(uint64(step), elapsed)
	return w.head, Fresh, false, lost
}

// elapsed is how long after head a probe was sent that is delta seqs on, or whole wraps off that. It is
// by the sender's clock, unless that seems to have been set. But it may be that the path became faster,
// or that the probe is a straggler; then it is the time that the number fits.
func (w *Window) elapsed(delta uint64, sent clock.Wall, at clock.Mono) time.Duration {
	elapsed, ours := sent.Sub(w.sender.head), at.Sub(w.headAt)
	if w.sender.plausible(elapsed, ours, w.slack()) {
		return elapsed
	}
	if (elapsed-ours).Abs() <= time.Second && w.fits(delta, elapsed) && !w.fits(delta, ours) {
		return elapsed
	}
	return ours
}

// slack is an error of time that does no harm: a third of a wrap.
func (w *Window) slack() time.Duration {
	if w.interval == 0 {
		return slackAtFirst
	}
	return w.interval * time.Duration(min(w.numbers, 3*windowSize/2)/3)
}

// fits reports whether a number is due after so much time, or nearly so.
func (w *Window) fits(delta uint64, elapsed time.Duration) bool {
	if w.interval == 0 {
		return false
	}
	off := (int64(delta) - w.slots(elapsed)) % int64(w.numbers)
	off = min(max(off, -off), int64(w.numbers)-max(off, -off))
	return off <= 2
}

// slots is how many intervals make up a time.
func (w *Window) slots(elapsed time.Duration) int64 {
	elapsed += w.interval / 2
	if elapsed < 0 {
		elapsed -= w.interval - 1 // round down
	}
	return int64(elapsed / w.interval)
}

// advance finds by how many seqs a probe is ahead of head, or behind it (0 and less). The number says it
// up to a multiple of numbers; of these the nearest to what the elapsed time suggests is meant. But a
// number that follows directly is the next probe however long it took: its sender paused.
//
// With 101 numbers that is right if the sender kept its interval to half a wrap, 50 probes, or if fewer
// were lost before firstSpan. Not seen is an outage after which the number that follows directly comes by
// chance (101, 202, … lost).
func (w *Window) advance(delta uint64, elapsed time.Duration) int64 {
	numbers, expected := int64(w.numbers), int64(1)
	if delta == 1 && elapsed >= 0 {
		return 1
	}
	if w.interval > 0 {
		expected = w.slots(elapsed)
	}
	wraps := expected - int64(delta) + numbers/2
	if wraps < 0 {
		wraps -= numbers - 1 // round down
	}
	return int64(delta) + wraps/numbers*numbers
}

// declare bounds the losses that a sender can make us declare: by the probes that really arrived, and by
// the time since the first one. Half the shortest interval leaves room for a first one that was held up
// and for clocks that drift.
func (w *Window) declare(lost uint64, at clock.Mono) uint64 {
	if lost == 0 {
		return 0
	}
	sent := slots(at.Sub(w.begunAt) + time.Second)
	bound := min(lossesPerProbe*w.received, sent-min(sent, w.received))
	lost = min(lost, bound-min(bound, w.declared))
	w.declared += lost
	return lost
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
		w.anchor, w.anchorAt = w.head, w.sender.passed
		return
	}
	w.paused = false
	n := w.head - w.anchor
	if n < firstSpan || w.whole && n < slopeSpan {
		return // the last span is better than a short one
	}
	w.interval = max(minInterval, (w.sender.passed-w.anchorAt)/time.Duration(n))
	if n >= slopeSpan {
		w.anchor, w.anchorAt, w.whole = w.head, w.sender.passed, true
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
	return w.declare(lost, now)
}
