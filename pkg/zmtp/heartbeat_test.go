package zmtp

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPingIsAnsweredWithItsContext(t *testing.T) {
	p := listen(t, Options{})
	r := dial(t, p)
	r.shakeHands()
	for _, context := range []string{"", "c", strings.Repeat("c", 16)} {
		r.write(command("PING", "\x00\x00"+context))
		r.want(command("PONG", context))
	}
	r.write(command("SUBSCRIBE", ""))
	wantSubscriptions(t, p.PUB, 1)
	r.write(command("PING", "\x00\x00between"))
	r.want(command("PONG", "between"))
	p.send(t, "message")
	r.wantMessages("message")
}

// A peer that sends PING after PING and reads nothing can't make the answers pile up.
func TestPingsOfAPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		p, err := Serve(l, Options{WriteTimeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(t, p)
		r := stuck(t, l)
		if err := p.Send([]byte("m")); err != nil { // now the writer waits
			t.Fatal(err)
		}
		synctest.Wait()
		for i := range 1000 {
			r.write(command("PING", "\x00\x00"+string(rune('A'+i%26))))
		}
		synctest.Wait()
		r.wantMessages("m")
		for i := range maxPongs - 1 {
			r.want(command("PONG", string(rune('A'+i%26))))
		}
		r.want(command("PONG", string(rune('A'+999%26))))
		r.write(command("PING", "\x00\x00z"))
		r.want(command("PONG", "z"))
	})
}

// silentFor tells when and why a subscriber that says nothing after the given octets is disconnected,
// and what it was sent until then.
func silentFor(t *testing.T, o Options, octets string) (after time.Duration, sent string, err error) {
	t.Helper()
	l := newPipes()
	e := make(ends, 1)
	o.OnClose = tell(e)
	p, err := Serve(l, o)
	if err != nil {
		t.Fatal(err)
	}
	defer closeNow(t, p)
	r := l.dial(t)
	go r.write(octets)
	r.want(greetingOf31 + readyPUB)
	start := time.Now()
	var got strings.Builder
	go func() { _, _ = r.in.WriteTo(&got) }()
	after = time.Hour
	select {
	case err = <-e:
		after = time.Since(start)
	case <-time.After(after):
	}
	synctest.Wait()
	return after, got.String(), err
}

func TestSubscribersWithoutASignOfLifeAreDisconnected(t *testing.T) {
	ping := command("PING", "\x00\x00")
	o := Options{HeartbeatInterval: 5 * time.Second, HeartbeatTimeout: 20 * time.Second}
	never := Options{HeartbeatInterval: -1}
	tests := []struct {
		name      string
		options   Options
		octets    string
		wantAfter time.Duration // 1 h: not at all
		wantSent  string
	}{
		{"asked, and no answer", o, greeting31 + readySUB, 25 * time.Second, ping},
		{"not asked, on request", never, greeting31 + readySUB, time.Hour, ""},
		{"not asked, because 3.0 does not know it", o, greeting30 + readySUB, time.Hour, ""},
		{"its own TTL is over before it is asked", o, greeting31 + readySUB + command("PING", "\x00\x0ac"), time.Second, command("PONG", "c")},
		{"its own TTL is over after it was asked", o, greeting31 + readySUB + command("PING", "\x00\x96c"), 15 * time.Second, command("PONG", "c") + ping},
		{"its own TTL is over, and it is never asked", never, greeting31 + readySUB + command("PING", "\x00\x96"), 15 * time.Second, command("PONG", "")},
		{"what comes after a TTL takes it back", never, greeting31 + readySUB + command("PING", "\x00\x96") + command("PING", "\x00\x00"), time.Hour, command("PONG", "") + command("PONG", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				after, sent, err := silentFor(t, tt.options, tt.octets)
				if after != tt.wantAfter || sent != tt.wantSent || tt.wantAfter < time.Hour && !errors.Is(err, ErrSilent) {
					t.Errorf("ended after %v with %v, was sent %q; want %v, %q", after, err, sent, tt.wantAfter, tt.wantSent)
				}
			})
		})
	}
}

func TestAnySignOfLifeWillDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		p, err := Serve(l, Options{HeartbeatInterval: time.Second, HeartbeatTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(t, p)
		r := stuck(t, l)
		for i := range 100 {
			r.want(command("PING", "\x00\x00"))
			<-time.After(900 * time.Millisecond)
			r.write([]string{command("PONG", ""), message("\x01a"), "\x00", "\x00"}[i%4])
		}
		if s := p.Stats(); s.Subscribers != 1 {
			t.Errorf("Stats() = %+v, want 1 subscriber", s)
		}
	})
}
