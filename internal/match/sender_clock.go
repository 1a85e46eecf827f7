package match

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

const (
	// longestStall is how long a probe may be held up on its way.
	longestStall = 10 * time.Second
	// driftShare bounds how fast the clocks of two hosts drift apart: 1/driftShare.
	driftShare = 1024
)

// senderClock compares the time that a sender writes into its probes with ours. A lag is by how much ours
// is ahead when a probe arrives: its delay plus the distance of the clocks.
type senderClock struct {
	head     clock.Wall    // written into head
	lag      time.Duration // of head
	shortest time.Duration // lag so far: of a probe that did not queue
	passed   time.Duration // between the first probe and head
}

func newSenderClock(sent clock.Wall, at clock.Mono) senderClock {
	lag := lagOf(sent, at)
	return senderClock{head: sent, lag: lag, shortest: lag}
}

func lagOf(sent clock.Wall, at clock.Mono) time.Duration {
	return time.Duration(int64(at) - int64(sent))
}

// plausible reports whether a probe can have been sent elapsed after head, by the sender's clock, if it
// arrived ours after it: neither faster than all before by more than slack, nor incredibly slow. Else
// the clock was set meanwhile.
func (c *senderClock) plausible(elapsed, ours, slack time.Duration) bool {
	return elapsed >= 0 && elapsed-ours <= c.lag-c.shortest+slack && ours-elapsed <= longestStall
}

// advance makes a probe head that was sent elapsed after the last head.
func (c *senderClock) advance(elapsed time.Duration, sent clock.Wall, at clock.Mono) {
	lag := lagOf(sent, at)
	if elapsed != sent.Sub(c.head) { // the clock was set
		c.shortest = lag
	}
	c.shortest += elapsed / driftShare
	c.shortest = max(min(c.shortest, lag), lag-longestStall)
	c.head, c.lag = sent, lag
	c.passed += elapsed
}
