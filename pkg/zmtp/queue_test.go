package zmtp

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stuck is a subscriber that has everything in its queue: nothing is read from its pipe.
func stuck(t *testing.T, l *pipes) *raw {
	r := l.dial(t)
	go r.write(greeting31 + readySUB + command("SUBSCRIBE", ""))
	r.want(greetingOf31 + readyPUB)
	synctest.Wait()
	return r
}

func TestBeyondTheHighWaterMarkMessagesAreDroppedForThatSubscriberAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		p, err := Serve(l, Options{HWM: 10})
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(t, p)
		slow, fast := stuck(t, l), stuck(t, l)
		for i := range 25 {
			if err := p.Send([]byte{byte('a' + i)}); err != nil {
				t.Fatal(err)
			}
			fast.wantMessages(string(rune('a' + i)))
			synctest.Wait()
		}
		if s := p.Stats(); s.Dropped != 15 || s.Queued != 10 || s.Sent != 25 {
			t.Errorf("Stats() = %+v, want 15 dropped, 10 queued, 25 sent", s)
		}
		for i := range 10 { // the oldest are kept
			slow.wantMessages(string(rune('a' + i)))
		}
		synctest.Wait()
		if s := p.Stats(); s.Dropped != 15 || s.Queued != 0 || s.Sent != 35 || s.Abandoned != 0 {
			t.Errorf("Stats() = %+v, want 15 dropped, 35 sent", s)
		}
	})
}

func TestSubscriberThatTakesNothingIsDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		e := make(ends, 1)
		p, err := Serve(l, Options{HWM: 5, WriteTimeout: 7 * time.Second, OnClose: tell(e)})
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(t, p)
		stuck(t, l)
		start := time.Now()
		for range 9 {
			if err := p.Send([]byte("m")); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-e; !errors.Is(err, ErrStalled) || time.Since(start) != 7*time.Second {
			t.Errorf("ended with %v after %v, want %v after 7s", err, time.Since(start), ErrStalled)
		}
		synctest.Wait()
		s := p.Stats()
		if s.Expelled != 1 || s.Sent != 0 || s.Dropped != 4 || s.Abandoned != 5 || s.Subscribers != 0 {
			t.Errorf("Stats() = %+v, want 1 expelled, 4 dropped, 5 abandoned", s)
		}
	})
}

// An octet a second is slow, not dead: the deadline is for progress, not for the whole queue.
func TestSlowSubscriberIsNotDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		p, err := Serve(l, Options{WriteTimeout: 2 * time.Second, HeartbeatInterval: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(t, p)
		r := stuck(t, l)
		for i := range 10 {
			if err := p.Send(fmt.Appendf(nil, "message %d", i)); err != nil {
				t.Fatal(err)
			}
		}
		var got strings.Builder
		for got.Len() < 10*len(message("message 0")) {
			<-time.After(time.Second)
			var octet [1]byte
			if _, err := r.conn.Read(octet[:]); err != nil {
				t.Fatalf("after %d octets: %v", got.Len(), err)
			}
			got.Write(octet[:])
		}
		synctest.Wait()
		if s := p.Stats(); s.Sent != 10 || s.Subscribers != 1 {
			t.Errorf("Stats() = %+v, want 10 sent to 1 subscriber; read %q", s, got.String())
		}
	})
}

// Peers that do nothing, at any stage, delay nobody.
func TestSilentPeersDelayNobody(t *testing.T) {
	p := listen(t, Options{HandshakeTimeout: time.Hour, MaxSubscribers: 50})
	for _, octets := range []string{"", greeting31[:1], greeting31[:11], greeting31, greeting31 + readySUB[:5], greeting31 + readySUB} {
		dial(t, p).write(octets)
	}
	silent := subscribed(t, p, "") // subscribes, and never reads
	_ = silent
	r := subscribed(t, p, "m")
	for i := range 2000 {
		m := fmt.Sprint("m", i)
		p.send(t, m)
		r.wantMessages(m)
	}
	if s := p.Stats(); s.Handshakes != 5 || s.Subscribers != 3 {
		t.Errorf("Stats() = %+v, want 5 handshakes, 3 subscribers", s)
	}
}

func TestManyGoroutinesSendSubscribeAndLeave(t *testing.T) {
	const senders, each, subscribers = 4, 500, 4
	p := listen(t, Options{HWM: senders * each})
	var peers []*raw
	for range subscribers {
		peers = append(peers, subscribed(t, p, "m"))
	}
	var work sync.WaitGroup
	for g := range senders {
		work.Go(func() {
			for i := range each {
				if err := p.Send(fmt.Appendf(nil, "m %d %d", g, i)); err != nil {
					t.Errorf("Send: %v", err)
				}
			}
		})
	}
	work.Go(func() { // and some come and go
		for range 20 {
			r := passerby(t, p)
			_ = r.conn.Close()
		}
	})
	for _, r := range peers {
		work.Go(func() {
			next := make([]int, senders)
			for range senders * each {
				var g, i int
				m, err := r.next()
				if err != nil {
					t.Errorf("read: %v", err)
					return
				}
				if _, err := fmt.Sscanf(m, "m %d %d", &g, &i); err != nil || next[g] != i {
					t.Errorf("got %q, want number %d", m, next[g])
					return
				}
				next[g]++
			}
		})
	}
	work.Wait()
	eventually(t, "those that left are gone", func() bool { return p.Stats().Subscribers == subscribers })
	if s := p.Stats(); s.Dropped != 0 || s.Unmatched != 0 || s.Sent+s.Abandoned < senders*each*subscribers {
		t.Errorf("Stats() = %+v", s)
	}
}

// passerby is a subscriber of whom nobody knows when its subscription arrives.
func passerby(t *testing.T, p *testPUB) *raw {
	r := dial(t, p)
	r.shakeHands()
	r.write(command("SUBSCRIBE", "m") + command("PING", "\x00\x00"))
	return r
}
