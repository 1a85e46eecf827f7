package zmtp

import (
	"bytes"
	"slices"
)

// subscriptions are what one subscriber has asked for. Few are many: they are looked through one by
// one, and their limits bound how long that takes.
type subscriptions struct {
	topics   []topic
	octets   int // of all topics
	most     int // topics
	capacity int // octets
}

// topic is a subscription, with the number of times that it was made. As many cancellations end it
// (RFC 37, The Publish-Subscribe Pattern: subscriptions are not idempotent).
type topic struct {
	prefix []byte
	times  uint64
}

// add makes a subscription. The error is ErrSubscriptions. It copies the prefix.
func (s *subscriptions) add(prefix []byte) error {
	if i := s.index(prefix); i >= 0 {
		s.topics[i].times++
		return nil
	}
	if len(s.topics) >= s.most || len(prefix) > s.capacity-s.octets {
		return ErrSubscriptions
	}
	s.topics = append(s.topics, topic{bytes.Clone(prefix), 1})
	s.octets += len(prefix)
	return nil
}

// remove takes a subscription back. One that was never made is not there to cancel, and no error.
func (s *subscriptions) remove(prefix []byte) {
	i := s.index(prefix)
	if i < 0 {
		return
	}
	if s.topics[i].times--; s.topics[i].times > 0 {
		return
	}
	s.octets -= len(prefix)
	s.topics = slices.Delete(s.topics, i, i+1)
}

func (s *subscriptions) index(prefix []byte) int {
	return slices.IndexFunc(s.topics, func(t topic) bool { return bytes.Equal(t.prefix, prefix) })
}

// match reports whether the message begins with one of the subscriptions.
func (s *subscriptions) match(message []byte) bool {
	for i := range s.topics {
		if bytes.HasPrefix(message, s.topics[i].prefix) {
			return true
		}
	}
	return false
}
