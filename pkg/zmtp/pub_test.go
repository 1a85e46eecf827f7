package zmtp

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestOptionsMustNotBeNegative(t *testing.T) {
	for name, o := range map[string]Options{
		"HWM":                   {HWM: -1},
		"MaxSubscribers":        {MaxSubscribers: -1},
		"MaxSubscriptions":      {MaxSubscriptions: -1},
		"MaxSubscriptionOctets": {MaxSubscriptionOctets: -1},
		"HandshakeTimeout":      {HandshakeTimeout: -1},
		"WriteTimeout":          {WriteTimeout: -1},
		"HeartbeatTimeout":      {HeartbeatTimeout: -1},
	} {
		if p, err := Listen("127.0.0.1:0", o); err == nil {
			t.Errorf("Listen with %s -1 is no error", name)
			closeNow(t, p)
		}
	}
}

func TestListenOnAnAddressInUse(t *testing.T) {
	p := listen(t, Options{})
	if second, err := Listen(p.Addr().String(), Options{}); err == nil {
		closeNow(t, second)
		t.Errorf("Listen on %v, which is in use, is no error", p.Addr())
	}
}

func TestCloseLetsQueuesDrain(t *testing.T) {
	p := listen(t, Options{HWM: 100000})
	r := subscribed(t, p, "")
	idle := subscribed(t, p, "nothing")
	const n = 50000
	for range n {
		p.send(t, "a message that is not so short that all of them are in the system's buffers at once")
	}
	closed := make(chan error)
	go func() { closed <- p.Close(t.Context()) }()
	idle.wantClosed()
	_ = idle.conn.Close()
	for range n {
		r.message()
	}
	if _, err := r.next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last message: %v, want %v", err, io.EOF)
	}
	select {
	case err := <-closed:
		t.Errorf("Close returned %v before the subscriber closed its side", err)
	default:
	}
	_ = r.conn.Close()
	if err := <-closed; err != nil {
		t.Errorf("Close = %v", err)
	}
	if s := p.Stats(); s.Sent != n || s.Abandoned != 0 || s.Subscribers != 0 {
		t.Errorf("Stats() = %+v, want %d sent", s, n)
	}
	p.wantEnd(t, nil)
	p.wantEnd(t, nil)
}

func TestCloseEndsWithItsContext(t *testing.T) {
	p := listen(t, Options{HWM: 100000, WriteTimeout: time.Hour})
	dial(t, p).write(greeting31) // in the handshake
	subscribed(t, p, "")
	large := string(make([]byte, 1<<18))
	for range 100 {
		p.send(t, large)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for range 3 {
		work.Go(func() {
			if err := p.Close(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Close = %v, want %v", err, context.Canceled)
			}
		})
	}
	<-p.stop
	cancel()
	work.Wait()
	if one, other := <-p.ends, <-p.ends; !errors.Is(errors.Join(one, other), net.ErrClosed) || one != nil && other != nil {
		t.Errorf("ended with %v and %v, want %v and, for the handshake, nil", one, other, net.ErrClosed)
	}
	if s := p.Stats(); s.Sent+s.Abandoned != 100 || s.Abandoned == 0 || s.Failed != 1 || s.Queued != 0 {
		t.Errorf("Stats() = %+v, want 100 sent or abandoned", s)
	}
	if err := p.Send([]byte("m")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send = %v, want %v", err, net.ErrClosed)
	}
	if err := p.Close(context.Background()); err != nil {
		t.Errorf("Close once more = %v", err)
	}
	if c, err := net.Dial("tcp", p.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("still listening")
	}
}

// The error of Close is about what was cut, not about the time.
func TestCloseWithNothingToCutIsNoError(t *testing.T) {
	p := listen(t, Options{})
	dial(t, p)
	eventually(t, "accepted", func() bool { return p.Stats().Accepted == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Close(ctx); err != nil {
		t.Errorf("Close = %v", err)
	}
}

// A subscriber that neither takes what is queued nor leaves delays a Close without end by a bounded
// time.
func TestCloseWithoutDeadline(t *testing.T) {
	p := listen(t, Options{WriteTimeout: 50 * time.Millisecond})
	subscribed(t, p, "nothing") // takes everything, but does not leave
	subscribed(t, p, "")
	large := string(make([]byte, 1<<18))
	for range 100 {
		p.send(t, large)
	}
	if err := p.Close(context.Background()); err != nil {
		t.Errorf("Close = %v", err)
	}
	if s := p.Stats(); s.Expelled != 2 || s.Sent+s.Abandoned+s.Unmatched != 100 {
		t.Errorf("Stats() = %+v, want 2 expelled, 100 messages", s)
	}
}

func TestNoMoreSubscribersThanThereMayBe(t *testing.T) {
	p := listen(t, Options{MaxSubscribers: 2})
	first, second := subscribed(t, p, ""), subscribed(t, p, "")
	third := dial(t, p)
	third.write(greeting31 + readySUB)
	third.wantClosed()
	p.wantEnd(t, ErrTooMany)
	_ = first.conn.Close()
	p.wantEnd(t, io.EOF)
	eventually(t, "a place is free", func() bool { return p.Stats().Subscribers == 1 })
	fourth := subscribed(t, p, "")
	p.send(t, "m")
	second.wantMessages("m")
	fourth.wantMessages("m")
	if s := p.Stats(); s.Refused != 1 || s.Joined != 3 || s.Subscribers != 2 {
		t.Errorf("Stats() = %+v, want 1 refused, 3 joined, 2 now", s)
	}
}

// However many silent connections there are, a subscriber comes through.
func TestOldestHandshakeGivesWay(t *testing.T) {
	p := listen(t, Options{MaxSubscribers: 3, HandshakeTimeout: time.Hour})
	var silent []*raw
	for i := range 10 {
		silent = append(silent, dial(t, p))
		eventually(t, "accepted", func() bool { return p.Stats().Accepted == uint64(i+1) })
	}
	for _, r := range silent[:7] {
		r.wantClosed()
		p.wantEnd(t, ErrTooMany)
	}
	r := subscribed(t, p, "")
	p.send(t, "m")
	r.wantMessages("m")
	eventually(t, "refused", func() bool { return p.Stats().Refused == 8 })
	if s := p.Stats(); s.Handshakes != 2 {
		t.Errorf("Stats() = %+v, want 2 handshakes", s)
	}
}

// failing is a listener whose first calls of Accept fail.
type failing struct {
	*pipes
	errors int
	calls  []time.Time
}

func (l *failing) Accept() (net.Conn, error) {
	l.calls = append(l.calls, time.Now())
	if l.errors > 0 {
		l.errors--
		return nil, syscall.EMFILE
	}
	return l.pipes.Accept()
}

func TestAcceptBacksOffAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &failing{pipes: newPipes(), errors: 12}
		p, err := Serve(l, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(t, p)
		r := stuck(t, l.pipes)
		if err := p.Send([]byte("m")); err != nil {
			t.Fatal(err)
		}
		r.wantMessages("m")
		if s := p.Stats(); s.AcceptErrors != 12 || s.Accepted != 1 {
			t.Errorf("Stats() = %+v, want 12 accept errors, 1 accepted", s)
		}
		for i := 1; i <= 12; i++ {
			want := min(firstBackOff<<(i-1), lastBackOff)
			if got := l.calls[i].Sub(l.calls[i-1]); got != want {
				t.Errorf("wait %d was %v, want %v", i, got, want)
			}
		}
	})
}

func TestCloseDoesNotWaitForABackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := Serve(&failing{pipes: newPipes(), errors: 1 << 30}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
		start := time.Now()
		if err := p.Close(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("Close = %v after %v", err, time.Since(start))
		}
	})
}
