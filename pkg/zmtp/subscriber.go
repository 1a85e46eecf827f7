package zmtp

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// maxBatch is how many messages go into one write; Linux takes 1024 pieces (writev(2), IOV_MAX).
	maxBatch = 1024
	// keptQueue is the capacity, in messages, of a queue that is kept for the next burst.
	keptQueue = 4096
	// maxPongs is how many answers to PING may wait.
	maxPongs = 16
)

// subscriber is a peer that has completed the handshake. Send calls offer, its reading goroutine
// changes its subscriptions, its writing goroutine takes from its queue.
type subscriber struct {
	*peer
	pub        *PUB
	heartbeats bool // the peer knows PING

	mu            sync.Mutex
	work          sync.Cond // there is something for the writer
	subscriptions subscriptions
	queue         [][]byte  // frames, shared with other subscribers: nobody changes them
	queued        int       // messages in the queue and in the writer's hands
	ping          bool      // a PING is to be sent
	pongs         [][]byte  // contexts of the PINGs to be answered
	draining      bool      // no more messages; the writer ends when the queue is empty
	gone          bool      // the connection has ended
	drained       time.Time // not zero: by when the peer is expected to close its side

	rest net.Buffers // the writer's own
}

func newSubscriber(p *PUB, c *peer, heartbeats bool) *subscriber {
	s := &subscriber{peer: c, pub: p, heartbeats: heartbeats}
	s.work.L = &s.mu
	s.subscriptions.most = p.options.MaxSubscriptions
	s.subscriptions.capacity = p.options.MaxSubscriptionOctets
	return s
}

// offer queues the message if it meets a subscription, which is what it returns, and if there is room.
// The first subscriber that needs the encoded message leaves it in *encoded for the others.
func (s *subscriber) offer(message []byte, encoded *[]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining || s.gone || !s.subscriptions.match(message) {
		return false
	}
	if s.queued >= s.pub.options.HWM {
		s.pub.counts.dropped.Add(1)
		return true
	}
	if *encoded == nil {
		*encoded = appendFrame(make([]byte, 0, longHeader+len(message)), 0, message)
	}
	s.queue = append(s.queue, *encoded)
	s.queued++
	if len(s.queue) == 1 {
		s.work.Signal()
	}
	return true
}

func (s *subscriber) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queued
}

// drain lets the writer end when it has written what is queued.
func (s *subscriber) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	s.work.Signal()
}

// leave lets the writer end at once; the connection is closed.
func (s *subscriber) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	s.work.Signal()
}

// abandon empties the queue, when the writer has ended, and returns how many messages were lost.
func (s *subscriber) abandon() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.queued
	s.queue, s.queued = nil, 0
	return n
}

// askForLife has a PING sent.
func (s *subscriber) askForLife() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ping = true
	s.work.Signal()
}

// answer has a PONG sent. If too many wait, because the peer does not read, the newest replaces the
// one before: to the peer all traffic is a sign of life (RFC 37, Connection Heartbeating).
func (s *subscriber) answer(context []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pongs) == maxPongs {
		s.pongs = s.pongs[:maxPongs-1]
	}
	s.pongs = append(s.pongs, slices.Clone(context))
	s.work.Signal()
}

// write is the writing goroutine. It returns nil after all was written that was to be written and the
// peer was told so, or the error that ended it.
func (s *subscriber) write() error {
	var batch [][]byte
	for {
		var ok bool
		if batch, ok = s.take(batch); !ok {
			break
		}
		if err := s.writeBatch(batch); err != nil {
			return err
		}
		if cap(batch) > keptQueue {
			batch = nil
		}
	}
	return s.finish()
}

// take waits for something to write and exchanges the queue for one that is empty. It returns false
// when there is nothing more to come.
func (s *subscriber) take(empty [][]byte) ([][]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 && !s.ping && len(s.pongs) == 0 && !s.draining && !s.gone {
		s.work.Wait()
	}
	if s.gone || len(s.queue) == 0 && s.draining {
		return nil, false
	}
	batch := s.queue
	s.queue = empty[:0]
	return batch, true
}

// writeBatch writes the commands that wait, then the messages, and looks for commands again after
// every maxBatch of these. Messages are forgotten as they are written.
func (s *subscriber) writeBatch(batch [][]byte) error {
	for {
		if commands := s.commands(); commands != nil {
			if _, err := s.flush([][]byte{commands}); err != nil {
				return err
			}
		}
		if len(batch) == 0 {
			return nil
		}
		n := min(len(batch), maxBatch)
		written, err := s.flush(batch[:n])
		s.wrote(written)
		if err != nil {
			return err
		}
		batch = batch[n:]
	}
}

// commands returns the commands to be sent now, or nil.
func (s *subscriber) commands() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b []byte
	if s.ping {
		b = appendCommand(b, "PING", 0, 0) // no TTL, no context
	}
	for _, context := range s.pongs {
		b = appendCommand(b, "PONG", context...)
	}
	s.ping, s.pongs = false, nil
	return b
}

// flush writes frames, all in one system call if they fit, and returns how many went out whole. It
// gives up when not a single octet goes out in WriteTimeout. It clears frames.
func (s *subscriber) flush(frames [][]byte) (int, error) {
	s.rest = frames
	for {
		if err := s.conn.SetWriteDeadline(time.Now().Add(s.pub.options.WriteTimeout)); err != nil {
			return len(frames) - len(s.rest), err
		}
		n, err := s.rest.WriteTo(s.conn)
		switch {
		case err == nil:
			return len(frames), nil
		case !isTimeout(err):
			return len(frames) - len(s.rest), err
		case n == 0:
			return len(frames) - len(s.rest), ErrStalled
		}
	}
}

func (s *subscriber) wrote(messages int) {
	s.pub.counts.sent.Add(uint64(messages))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queued -= messages
}

// finish ends the stream in order. Only when the peer closes its side, too, is it sure to have got
// everything: closing at once could take back what the system has not sent yet.
func (s *subscriber) finish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil
	}
	s.drained = time.Now().Add(s.pub.options.WriteTimeout)
	_ = s.conn.SetReadDeadline(s.drained) // fails only on a connection that has ended
	return s.closeWrite()
}

// orderly takes the end of the stream for no error if this side ended its own first.
func (s *subscriber) orderly(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.drained.IsZero() && errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
