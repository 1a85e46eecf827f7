package zmtp

import (
	"encoding/binary"
	"time"
)

const (
	maxContext = 16                     // octets of a PING (RFC 37, Connection Heartbeating)
	ttlUnit    = 100 * time.Millisecond // of a PING's TTL
)

// receive is the reading goroutine: it reads subscriptions and signs of life until the connection
// ends, and returns why.
func (s *subscriber) receive(r *reader) error {
	life := heartbeat{heard: time.Now(), timeout: s.pub.options.HeartbeatTimeout}
	if s.heartbeats {
		life.interval = s.pub.options.HeartbeatInterval
	}
	t := traffic{s: s, life: &life}
	for {
		if err := t.frames(r); err != nil {
			return err
		}
		if err := s.setReadDeadline(life.deadline()); err != nil {
			return err
		}
		err := r.fill()
		switch {
		case err == nil:
			life.sign(time.Now())
		case !isTimeout(err):
			return err
		default:
			if err := s.silence(&life); err != nil {
				return err
			}
		}
	}
}

// setReadDeadline sets the deadline, unless the writer has ended and set the last one.
func (s *subscriber) setReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.drained.IsZero() {
		t = s.drained
	}
	return s.conn.SetReadDeadline(t)
}

// silence is what happens when nothing was read by the deadline.
func (s *subscriber) silence(life *heartbeat) error {
	s.mu.Lock()
	drained := s.drained
	s.mu.Unlock()
	now := time.Now()
	if !drained.IsZero() {
		if now.Before(drained) {
			return nil // the deadline was the one before
		}
		return ErrSilent
	}
	ask, dead := life.silence(now)
	if dead {
		return ErrSilent
	}
	if ask {
		s.askForLife()
	}
	return nil
}

// heartbeat judges by the times of what was heard whether a peer is alive (RFC 37, Connection
// Heartbeating).
type heartbeat struct {
	interval time.Duration // not positive: the peer is not asked
	timeout  time.Duration

	heard   time.Time
	asked   time.Time // zero: not since it was last heard
	expires time.Time // zero, or when the TTL of the peer's last PING ends
}

// sign notes that something was heard.
func (h *heartbeat) sign(now time.Time) {
	h.heard, h.asked, h.expires = now, time.Time{}, time.Time{}
}

// deadline returns when to call silence if nothing is heard; zero means never.
func (h *heartbeat) deadline() time.Time {
	var next time.Time
	switch {
	case !h.asked.IsZero():
		next = h.asked.Add(h.timeout)
	case h.interval > 0:
		next = h.heard.Add(h.interval)
	}
	if next.IsZero() || !h.expires.IsZero() && h.expires.Before(next) {
		return h.expires
	}
	return next
}

// silence tells whether a peer from which nothing was heard until now is to be asked, or dead.
func (h *heartbeat) silence(now time.Time) (ask, dead bool) {
	if next := h.deadline(); next.IsZero() || now.Before(next) {
		return false, false
	}
	if !h.asked.IsZero() || !h.expires.IsZero() && !now.Before(h.expires) {
		return false, true
	}
	h.asked = now
	return true, false
}

// traffic is what a subscriber sends after the handshake.
type traffic struct {
	s    *subscriber
	life *heartbeat
	more bool // the last frame was not the last of its message
}

// frames handles the frames that were read.
func (t *traffic) frames(r *reader) error {
	for {
		f, ok, err := r.next()
		if err != nil || !ok {
			return err
		}
		t.life.expires = time.Time{} // one TTL ends with the next frame
		if f.flags&flagCommand != 0 {
			err = t.command(f.body)
		} else {
			err = t.message(f)
		}
		if err != nil {
			return err
		}
	}
}

// message handles a frame of a message. A message of one frame that begins with 1 or 0 subscribes or
// cancels, which is how it is done up to ZMTP 3.0 (RFC 23, The Publish-Subscribe Pattern). Others may
// come from the application above an XSUB socket, and are nothing to a PUB.
func (t *traffic) message(f frame) error {
	single := !t.more && f.flags&flagMore == 0
	t.more = f.flags&flagMore != 0
	if !single || len(f.body) == 0 {
		return nil
	}
	switch f.body[0] {
	case 1:
		return t.subscribe(f.body[1:])
	case 0:
		t.cancel(f.body[1:])
	}
	return nil
}

// command handles a command. Those that are not known are for other patterns or from later versions.
func (t *traffic) command(body []byte) error {
	name, data, err := parseCommand(body)
	if err != nil {
		return err
	}
	switch string(name) {
	case "SUBSCRIBE":
		return t.subscribe(data)
	case "CANCEL":
		t.cancel(data)
	case "PING":
		return t.ping(data)
	}
	return nil
}

func (t *traffic) subscribe(prefix []byte) error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	return t.s.subscriptions.add(prefix)
}

func (t *traffic) cancel(prefix []byte) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.s.subscriptions.remove(prefix)
}

// ping answers, and minds the TTL: 2 octets, then the context to be sent back.
func (t *traffic) ping(data []byte) error {
	if len(data) < 2 || len(data) > 2+maxContext {
		return ErrFrame
	}
	if ttl := binary.BigEndian.Uint16(data); ttl > 0 {
		t.life.expires = time.Now().Add(time.Duration(ttl) * ttlUnit)
	}
	t.s.answer(data[2:])
	return nil
}
