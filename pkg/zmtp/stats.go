package zmtp

import "sync/atomic"

// Stats are the counters of a PUB since it was opened, except for those that say "now". They are read
// one after the other while the PUB works. Once it is closed, or while nothing happens,
//
//	Accepted = Joined + Refused + Failed + Handshakes
//
// and the times that a message met a subscription, one for each subscriber, are
//
//	Sent + Dropped + Abandoned + Queued
type Stats struct {
	Subscribers int // now
	Handshakes  int // now: connections whose handshake is not complete
	Queued      int // now: messages that wait, counted for each subscriber

	Accepted     uint64 // connections accepted
	AcceptErrors uint64 // times that the system could not accept one
	Joined       uint64 // connections that became subscribers
	Refused      uint64 // handshakes that were understood and refused: ErrSocketType, ErrTooMany
	Failed       uint64 // handshakes that failed otherwise, or were cut by Close
	Expelled     uint64 // subscribers disconnected: ErrStalled, ErrSilent, ErrSubscriptions, ErrFrame, ErrFrameSize

	Messages  uint64 // messages given to Send
	Unmatched uint64 // of these, messages that nobody had subscribed to
	Sent      uint64 // messages that the system took, counted for each subscriber
	Dropped   uint64 // messages dropped for the high-water mark, counted for each subscriber
	Abandoned uint64 // messages that waited for a subscriber when its connection ended
}

// counters are those of Stats that only grow.
type counters struct {
	accepted, acceptErrors, joined, refused, failed, expelled atomic.Uint64
	messages, unmatched, sent, dropped, abandoned             atomic.Uint64
}

// Stats returns the counters as they are. It may be called at any time, also after Close.
func (p *PUB) Stats() Stats {
	s := Stats{
		Accepted:     p.counts.accepted.Load(),
		AcceptErrors: p.counts.acceptErrors.Load(),
		Joined:       p.counts.joined.Load(),
		Refused:      p.counts.refused.Load(),
		Failed:       p.counts.failed.Load(),
		Expelled:     p.counts.expelled.Load(),
		Messages:     p.counts.messages.Load(),
		Unmatched:    p.counts.unmatched.Load(),
		Sent:         p.counts.sent.Load(),
		Dropped:      p.counts.dropped.Load(),
		Abandoned:    p.counts.abandoned.Load(),
	}
	p.mu.Lock()
	s.Handshakes = len(p.handshakes)
	p.mu.Unlock()
	for _, sub := range *p.subscribers.Load() {
		s.Subscribers++
		s.Queued += sub.waiting()
	}
	return s
}
