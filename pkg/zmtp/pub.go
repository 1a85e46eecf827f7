package zmtp

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// PUB is a publisher that listens. Its methods may be called by several goroutines at a time.
type PUB struct {
	listener net.Listener
	options  Options
	counts   counters

	// subscribers is replaced, never changed, so that Send reads it without a lock; mu is for those who
	// replace it.
	subscribers atomic.Pointer[[]*subscriber]

	mu         sync.Mutex
	handshakes []*peer // oldest first
	closing    bool

	stop chan struct{}  // closed when closing
	work sync.WaitGroup // the accepting goroutine, and one for each peer
	done chan struct{}  // closed when there is no more work

	wasCut atomic.Bool // Close took the connection from a subscriber; stored before done is closed
}

// Listen opens a PUB on a TCP address such as "127.0.0.1:8002" or "[::]:8002"; port 0 lets the system
// choose one, see PUB.Addr. As with net.Listen, "0.0.0.0" and no host at all mean the addresses of both
// IP versions. Connections are kept alive by TCP: a peer that is gone without a word is noticed within
// 75 s if nothing is under way to it.
//
// The error is that of the options or the system's. The caller must call Close.
func Listen(address string, o Options) (*PUB, error) {
	if _, err := o.withDefaults(); err != nil {
		return nil, err
	}
	config := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4,
	}}
	listener, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	return Serve(listener, o)
}

// Serve opens a PUB on a listener that the caller made, which it owns from then on unless there is an
// error, which is about the options. The listener's connections must heed deadlines. TCP connections
// are written to with one system call for many messages; others work, one write each.
func Serve(listener net.Listener, o Options) (*PUB, error) {
	p, err := newPUB(o)
	if err != nil {
		return nil, err
	}
	p.listener = listener
	p.work.Add(1)
	go p.accept()
	return p, nil
}

func newPUB(o Options) (*PUB, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &PUB{options: o, stop: make(chan struct{}), done: make(chan struct{})}
	p.subscribers.Store(new([]*subscriber))
	return p, nil
}

// Addr returns the address on which the PUB listens.
func (p *PUB) Addr() net.Addr { return p.listener.Addr() }

// Send publishes a message of one frame to the subscribers that have asked for its beginning. It does
// not wait for any of them, and the message is the caller's again when it returns. Subscribers get
// messages in the order in which one goroutine sends them. It allocates once, what the encoded message
// takes, if somebody is to get it, and nothing otherwise.
//
// The error is net.ErrClosed after Close was called. What is dropped is counted, not an error; see
// Stats.
func (p *PUB) Send(message []byte) error {
	select {
	case <-p.stop:
		return net.ErrClosed
	default:
	}
	p.counts.messages.Add(1)
	var encoded []byte
	matched := false
	for _, s := range *p.subscribers.Load() {
		if s.offer(message, &encoded) {
			matched = true
		}
	}
	if !matched {
		p.counts.unmatched.Add(1)
	}
	return nil
}

// Close stops listening and sending, lets the subscribers have what is queued for them until ctx is
// done, and then closes the connections. It returns nil if all subscribers took everything and closed
// their side, as libzmq does, or could not any more; otherwise the error of ctx. In either case
// everything is closed and no goroutine is left; what subscribers did not get is in Stats.Abandoned.
// Without a deadline in ctx it waits as long as subscribers make progress; see Options.WriteTimeout.
//
// It may be called more than once, also at the same time: each call waits, and the first ctx that is
// done closes the connections.
func (p *PUB) Close(ctx context.Context) error {
	p.shut()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.cut()
		<-p.done
	}
	if p.wasCut.Load() {
		return ctx.Err()
	}
	return nil
}

// shut begins to close.
func (p *PUB) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return
	}
	p.closing = true
	close(p.stop)
	_ = p.listener.Close() // there is nothing to do about an error
	for _, c := range p.handshakes {
		c.end(nil)
	}
	for _, s := range *p.subscribers.Load() {
		s.drain()
	}
	go func() {
		p.work.Wait()
		close(p.done)
	}()
}

// cut closes the connections that have not ended in order.
func (p *PUB) cut() {
	for _, s := range *p.subscribers.Load() {
		s.end(net.ErrClosed)
	}
}

// The waits after an error of Accept, which double from the first to the last. Such errors are mostly
// about file descriptors, of which there will be some again.
const (
	firstBackOff = 5 * time.Millisecond
	lastBackOff  = time.Second
)

// accept is the accepting goroutine. It ends with the listener.
func (p *PUB) accept() {
	defer p.work.Done()
	wait := firstBackOff
	for {
		conn, err := p.listener.Accept()
		if err == nil {
			wait = firstBackOff
			p.admit(conn)
			continue
		}
		select {
		case <-p.stop:
			return
		default:
		}
		p.counts.acceptErrors.Add(1)
		select {
		case <-p.stop:
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, lastBackOff)
	}
}

// admit starts the goroutine of a peer.
func (p *PUB) admit(conn net.Conn) {
	p.counts.accepted.Add(1)
	c := &peer{conn: conn}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		c.end(nil)
	}
	if len(p.handshakes) >= p.options.MaxSubscribers {
		p.handshakes[0].end(ErrTooMany)
		p.handshakes = slices.Delete(p.handshakes, 0, 1)
	}
	p.handshakes = append(p.handshakes, c)
	p.work.Add(1)
	go p.serve(c)
}

// serve is the goroutine of a peer, from its first octet to its last.
func (p *PUB) serve(c *peer) {
	defer p.work.Done()
	r := newReader(c.conn)
	heartbeats, err := handshake(r, time.Now().Add(p.options.HandshakeTimeout))
	s, err := p.join(c, heartbeats, err)
	if err != nil {
		p.reject(c, err)
	} else {
		p.converse(s, r)
	}
	if p.options.OnClose != nil {
		p.options.OnClose(c.conn.RemoteAddr(), c.reason())
	}
}

// join makes a subscriber of a peer whose handshake ended, unless with an error.
func (p *PUB) join(c *peer, heartbeats bool, failed error) (*subscriber, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handshakes = slices.DeleteFunc(p.handshakes, func(o *peer) bool { return o == c })
	if failed != nil {
		return nil, failed
	}
	present := *p.subscribers.Load()
	if len(present) >= p.options.MaxSubscribers {
		return nil, ErrTooMany
	}
	if err := c.conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	s := newSubscriber(p, c, heartbeats)
	s.draining = p.closing
	p.replace(append(slices.Clip(present), s))
	p.counts.joined.Add(1)
	return s, nil
}

// replace sets the subscribers. The caller holds mu.
func (p *PUB) replace(subscribers []*subscriber) { p.subscribers.Store(&subscribers) }

// reject ends and counts a handshake that did not make a subscriber.
func (p *PUB) reject(c *peer, err error) {
	c.end(err)
	if isOneOf(c.reason(), []error{ErrSocketType, ErrTooMany}) {
		p.counts.refused.Add(1)
	} else {
		p.counts.failed.Add(1)
	}
}

// converse reads from and writes to a subscriber until the connection ends.
func (p *PUB) converse(s *subscriber, r *reader) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		if err := s.write(); err != nil {
			s.end(err)
		}
	}()
	err := s.receive(r)
	s.end(s.orderly(err))
	s.leave()
	<-written
	p.counts.abandoned.Add(uint64(s.abandon()))
	switch {
	case isOneOf(s.reason(), expelling):
		p.counts.expelled.Add(1)
	case errors.Is(s.reason(), net.ErrClosed):
		p.wasCut.Store(true)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.replace(slices.DeleteFunc(slices.Clone(*p.subscribers.Load()), func(o *subscriber) bool { return o == s }))
}
