package resolver

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// lab is a name service whose answers the test sets, and a record of the sessions added.
type lab struct {
	*Resolver
	mu    sync.Mutex
	names map[string]string
	added []string
}

func (l *lab) lookup(_ context.Context, _, host string) ([]netip.Addr, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.names[host] == "" {
		return nil, errors.New("no such host")
	}
	return []netip.Addr{netip.MustParseAddr(l.names[host])}, nil
}

func (l *lab) add(s measurement.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.added = append(l.added, s.Remote.String())
}

func (l *lab) set(host, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names[host] = address
}

func (l *lab) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.added, want) {
		t.Errorf("added %v, want %v", l.added, want)
	}
}

func target(host string, ids ...measurement.SessionID) Target {
	t := Target{Host: host}
	for _, id := range ids {
		t.Sessions = append(t.Sessions, measurement.Session{ID: id, Remote: netip.AddrPortFrom(netip.Addr{}, 8001)})
	}
	return t
}

// run starts a Resolver in a synctest bubble.
func run(t *testing.T, targets ...Target) *lab {
	t.Helper()
	l := &lab{names: map[string]string{}}
	l.Resolver = &Resolver{Lookup: l.lookup, Log: zerolog.Nop(), Add: l.add}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.Run(ctx, targets)
	}()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return l
}

func TestAddressesNeedNoLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run(t, target("::ffff:10.0.0.1", 1, 2)).want(t, "10.0.0.1:8001", "10.0.0.1:8001")
	})
}

func TestFailedLookupIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, target("a", 1))
		l.want(t)
		l.set("a", "10.0.0.1")
		time.Sleep(firstPause)
		l.want(t, "10.0.0.1:8001")
	})
}

func TestSilentTargetIsLookedUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, target("a", 1))
		l.set("a", "10.0.0.1")
		time.Sleep(firstPause)
		l.want(t, "10.0.0.1:8001")
		l.set("a", "fd00::2")
		time.Sleep(time.Hour)
		l.want(t, "10.0.0.1:8001") // it answers: nobody asks
		l.Trouble(1)
		l.want(t, "10.0.0.1:8001", "[fd00::2]:8001")
	})
}

func TestUnchangedAddressKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, target("a", 1))
		l.set("a", "10.0.0.1")
		time.Sleep(firstPause)
		for range 5 {
			l.Trouble(1)
			l.Trouble(99)
			time.Sleep(time.Minute)
		}
		l.want(t, "10.0.0.1:8001")
	})
}
