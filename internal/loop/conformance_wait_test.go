package loop

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/clock"
)

func TestWaitReturnsAtOnceWhenItIsTime(t *testing.T) {
	each(t, func(r *rig) {
		for _, until := range []clock.Mono{0, clock.MonoNow()} {
			if n, err := r.Wait(until, r.ready[:]); n != 0 || err != nil {
				r.Errorf("Wait(%d) = %d, %v, want 0, nil", until, n, err)
			}
		}
	})
}

func TestWaitLastsUntilTheTimeComes(t *testing.T) {
	each(t, func(r *rig) {
		for range 3 {
			until := clock.MonoNow().Add(5 * time.Millisecond)
			if n, err := r.Wait(until, r.ready[:]); n != 0 || err != nil {
				r.Errorf("Wait = %d, %v, want 0, nil", n, err)
			}
			// The base of Mono is read with a preemption or two, not exactly.
			if early := until.Sub(clock.MonoNow()); early > 100*time.Microsecond {
				r.Errorf("Wait returned %v early", early)
			}
		}
	})
}

// The timer of an earlier Wait that ended otherwise must not end this one.
func TestWaitForgetsTheTimeOfTheWaitBefore(t *testing.T) {
	each(t, func(r *rig) {
		soon := clock.MonoNow().Add(time.Millisecond)
		r.Wake()
		if _, err := r.Wait(soon, r.ready[:]); err != nil {
			r.Fatal(err)
		}
		for clock.MonoNow() < soon {
		}
		later := clock.MonoNow().Add(5 * time.Millisecond)
		if _, err := r.Wait(later, r.ready[:]); err != nil {
			r.Fatal(err)
		}
		if early := later.Sub(clock.MonoNow()); early > 100*time.Microsecond {
			r.Errorf("Wait returned %v early", early)
		}
	})
}

func TestWakeEndsTheNextWaitOnce(t *testing.T) {
	each(t, func(r *rig) {
		r.Wake()
		r.Wake()
		if n, err := r.Wait(clock.Never, r.ready[:]); n != 0 || err != nil {
			r.Errorf("Wait = %d, %v, want 0, nil", n, err)
		}
		until := clock.MonoNow().Add(5 * time.Millisecond)
		if n, err := r.Wait(until, r.ready[:]); n != 0 || err != nil {
			r.Errorf("Wait = %d, %v, want 0, nil", n, err)
		}
		if early := until.Sub(clock.MonoNow()); early > 100*time.Microsecond {
			r.Errorf("the second Wait returned %v early", early)
		}
	})
}

func TestWakeFromAnotherGoroutineEndsWait(t *testing.T) {
	each(t, func(r *rig) {
		begin, woken := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(woken)
			for range begin {
				r.Wake()
			}
		}()
		for range 100 {
			begin <- struct{}{}
			if _, err := r.Wait(clock.Never, r.ready[:]); err != nil {
				r.Fatal(err)
			}
		}
		close(begin)
		<-woken
	})
}

func TestEverySocketHasItsTurnWhenMoreAreReadyThanFit(t *testing.T) {
	const sockets = 10
	each(t, func(r *rig) {
		loopback := netip.MustParseAddr("127.0.0.1")
		sender := r.listenUDP(loopback, small, 1000)
		for i := range sockets {
			conn := r.listenUDP(loopback, small, Token(i))
			r.send(sender, packetsTo(conn.LocalAddr(), 1))
			r.awaitRead(Token(i))
		}
		seen := make(map[Token]bool)
		for turn := 0; len(seen) < sockets; turn++ {
			if turn > sockets {
				r.Fatalf("after %d turns only %d of %d sockets were reported", turn, len(seen), sockets)
			}
			n, err := r.Wait(clock.Never, r.ready[:3])
			if err != nil {
				r.Fatal(err)
			}
			for _, ready := range r.ready[:n] {
				seen[ready.Token] = true
			}
		}
	})
}

func TestClosingAPollerTwiceIsOnce(t *testing.T) {
	each(t, func(r *rig) {
		r.end()
		r.Wake() // does nothing
		if err := r.Poller.Close(); err != nil {
			r.Errorf("second Close = %v, want nil", err)
		}
	})
}

func TestCanonicalSpellsAnAddressOneWay(t *testing.T) {
	devices, err := net.Interfaces()
	if err != nil || len(devices) == 0 {
		t.Fatalf("network interfaces: %v, %v", devices, err)
	}
	name, number := devices[0].Name, strconv.Itoa(devices[0].Index)
	tests := []struct{ name, a, b string }{
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:80", "192.0.2.1:80"},
		{"the zone of a global address", "[2001:db8::1%" + number + "]:80", "[2001:db8::1]:80"},
		{"the name and the number of an interface", "[fe80::1%" + name + "]:80", "[fe80::1%" + number + "]:80"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(r *rig) {
				a, b := r.Canonical(netip.MustParseAddrPort(tt.a)), r.Canonical(netip.MustParseAddrPort(tt.b))
				if a != b || r.Canonical(a) != a {
					r.Errorf("%s is spelled %v, but %s %v", tt.a, a, tt.b, b)
				}
			})
		})
	}
}
