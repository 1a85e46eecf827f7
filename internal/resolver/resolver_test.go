package resolver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// lab is a name service and the interfaces of a host, whose answers the test sets, and a record of the
// lookups made and the sessions added.
type lab struct {
	*Resolver
	mu         sync.Mutex
	names      map[string][]string
	interfaces map[string]int
	missed     atomic.Uint64
	added      []string
	lookups    []time.Duration // since the last call of trouble
	since      time.Time
	onLookup   func()
	log        bytes.Buffer
}

func (l *lab) lookup(_ context.Context, _, host string) ([]netip.Addr, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lookups = append(l.lookups, time.Since(l.since))
	if l.onLookup != nil {
		l.onLookup()
	}
	if len(l.names[host]) == 0 {
		return nil, errors.New("no such host")
	}
	var addrs []netip.Addr
	for _, text := range l.names[host] {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

func (l *lab) index(zone string) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.interfaces[zone] == 0 {
		return 0, errors.New("no such interface")
	}
	return l.interfaces[zone], nil
}

func (l *lab) add(s measurement.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.added = append(l.added, s.Remote.String())
}

// all is what was added so far; forget makes it nothing.
func (l *lab) all() []string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.added)
}

func (l *lab) forget() {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.added = nil
}

func (l *lab) set(host string, addresses ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names[host] = addresses
}

func (l *lab) number(zone string, index int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interfaces[zone] = index
}

// tell tells the same of several sessions.
func (l *lab) tell(e measurement.Event, ids ...measurement.SessionID) {
	for _, id := range ids {
		l.Tell(id, e)
	}
}

// trouble tells that sessions are silent, and counts lookups from now on.
func (l *lab) trouble(ids ...measurement.SessionID) {
	l.mu.Lock()
	l.lookups, l.since = nil, time.Now()
	l.mu.Unlock()
	l.tell(measurement.EventSilent, ids...)
}

// want checks all that was added so far.
func (l *lab) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.added, want) {
		t.Errorf("added %v, want %v", l.added, want)
	}
}

func (l *lab) wantLookups(t *testing.T, want ...time.Duration) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.lookups, want) {
		t.Errorf("lookups at %v, want %v", l.lookups, want)
	}
}

// counted is how many lookups there were since the last call of trouble.
func (l *lab) counted() int {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lookups)
}

func target(host string, ids ...measurement.SessionID) Target {
	t := Target{Host: host}
	for _, id := range ids {
		s := measurement.Session{ID: id, Remote: netip.AddrPortFrom(netip.Addr{}, uint16(id))}
		t.Sessions = append(t.Sessions, s)
	}
	return t
}

func newLab() *lab {
	l := &lab{names: map[string][]string{}, interfaces: map[string]int{}}
	l.Resolver = &Resolver{
		Lookup: l.lookup, Interface: l.index, Add: l.add, Log: zerolog.New(&l.log),
		Missed: l.missed.Load,
	}
	return l
}

// run starts the Resolver in a synctest bubble.
func (l *lab) run(t *testing.T, targets ...Target) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.Run(ctx, targets)
	}()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
}

// settled runs a target "a" at addresses, whose sessions answer and have done so for an hour.
func settled(t *testing.T, addresses []string, ids ...measurement.SessionID) *lab {
	t.Helper()
	l := newLab()
	l.set("a", addresses...)
	l.run(t, target("a", ids...))
	l.tell(measurement.EventAnswering, ids...)
	time.Sleep(time.Hour)
	l.forget()
	return l
}

func TestAddressesNeedNoLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.run(t, target("::ffff:10.0.0.1", 1, 2))
		l.want(t, "10.0.0.1:1", "10.0.0.1:2")
		l.trouble(1, 2)
		time.Sleep(time.Hour)
		l.want(t, "10.0.0.1:1", "10.0.0.1:2")
	})
}

func TestFailedLookupIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.run(t, target("a", 1))
		l.want(t)
		time.Sleep(10 * time.Minute)
		l.set("a", "10.0.0.1")
		time.Sleep(longPause)
		l.want(t, "10.0.0.1:1")
		if n := strings.Count(l.log.String(), "can't be resolved"); n != 1 {
			t.Errorf("the log has %d lines of the failure, want 1:\n%s", n, &l.log)
		}
	})
}

// Which protocol a session speaks and how its probes arrive says nothing of whether they are answered:
// a reply does, and is told by an event of its own.
func TestNewsOfTheProtocolIsNeitherGoodNorBad(t *testing.T) {
	news := []measurement.Event{measurement.EventStamp, measurement.EventText, measurement.EventRemarked, measurement.EventTTL}
	synctest.Test(t, func(t *testing.T) {
		l := settled(t, []string{"10.0.0.1"}, 1)
		before := l.counted()
		for _, e := range news {
			l.tell(e, 1)
		}
		if n := l.counted(); n != before {
			t.Errorf("%d lookups of a target that answers, want none", n-before)
		}
		l.trouble(1)
		for _, e := range news {
			l.tell(e, 1)
		}
		time.Sleep(10 * time.Second)
		if n := l.counted(); n < 2 {
			t.Errorf("%d lookups in 10 s of silence, want several", n)
		}
	})
}

func TestSilentTargetIsLookedUpUntilItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := settled(t, []string{"10.0.0.1"}, 1)
		l.trouble(1)
		time.Sleep(4 * time.Minute)
		s := time.Second
		l.wantLookups(t, 0, 1*s, 3*s, 7*s, 15*s, 31*s, 63*s, 123*s, 183*s)
		l.Tell(1, measurement.EventAnswering)
		time.Sleep(time.Hour)
		l.wantLookups(t, 0, 1*s, 3*s, 7*s, 15*s, 31*s, 63*s, 123*s, 183*s)
		l.want(t) // it was where it is all the time
	})
}

// At a failover the name service has the old address for a while.
func TestAddressThatChangesAfterTheTroubleBeganIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := settled(t, []string{"10.0.0.1"}, 1)
		l.trouble(1)
		time.Sleep(20 * time.Second)
		l.want(t)
		l.set("a", "fd00::2")
		time.Sleep(20 * time.Second)
		l.want(t, "[fd00::2]:1")
	})
}

func TestEveryKindOfTroubleIsLookedInto(t *testing.T) {
	for _, bad := range []measurement.Event{
		measurement.EventSilent, measurement.EventUnreachable, measurement.EventDisconnected,
		measurement.EventSendFailed,
	} {
		for _, good := range []measurement.Event{
			measurement.EventAnswering, measurement.EventConnected, measurement.EventSendWorks,
		} {
			if (bad == measurement.EventSendFailed) != (good == measurement.EventSendWorks) {
				continue
			}
			t.Run(fmt.Sprintf("%v, %v", bad, good), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := settled(t, []string{"10.0.0.1"}, 1)
					l.set("a", "10.0.0.2")
					time.Sleep(time.Hour)
					l.want(t) // it answers: nobody asks
					l.Tell(1, bad)
					l.want(t, "10.0.0.2:1")
					l.Tell(1, measurement.EventAnswering)
					l.Tell(1, bad)
					l.Tell(1, good)
					l.set("a", "10.0.0.3")
					time.Sleep(time.Hour)
					l.want(t, "10.0.0.2:1")
				})
			})
		}
	}
}

func TestSendingThatWorksIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := settled(t, []string{"10.0.0.1"}, 1)
		l.Tell(1, measurement.EventSilent)
		l.Tell(1, measurement.EventSendFailed)
		l.Tell(1, measurement.EventSendWorks)
		time.Sleep(time.Minute)
		l.set("a", "10.0.0.2")
		time.Sleep(time.Minute)
		l.want(t, "10.0.0.2:1")
	})
}

func TestTargetThatComesAndGoesIsNotLookedUpEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := settled(t, []string{"10.0.0.1", "10.0.0.2"}, 1)
		l.trouble()
		for range 1200 {
			l.Tell(1, measurement.EventUnreachable)
			time.Sleep(time.Second)
			l.Tell(1, measurement.EventAnswering)
			time.Sleep(2 * time.Second)
		}
		if n := l.counted(); n > 60+6 {
			t.Errorf("%d lookups in an hour, want at most one a minute after the first", n)
		}
		l.want(t)
	})
}

func TestTargetThatAnswersBeforeTheLookupIsDoneStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := settled(t, []string{"10.0.0.1"}, 1)
		l.set("a", "10.0.0.2")
		l.onLookup = func() { l.Tell(1, measurement.EventAnswering) }
		l.trouble(1)
		time.Sleep(time.Hour)
		l.wantLookups(t, 0)
		l.want(t)
	})
}

func TestDeadAddressGivesWayToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := settled(t, []string{"10.0.0.1", "10.0.0.2"}, 1, 2, 3)
		l.trouble(1, 2, 3)
		time.Sleep(firstPatience - 1)
		l.want(t)
		time.Sleep(time.Minute)
		l.want(t, "10.0.0.2:1", "10.0.0.2:2", "10.0.0.2:3")
		l.Tell(2, measurement.EventAnswering)
		time.Sleep(24 * time.Hour)
		l.want(t, "10.0.0.2:1", "10.0.0.2:2", "10.0.0.2:3")
	})
}

// dies says of all addresses but alive, as the engine would, that the sessions at them are silent.
func (l *lab) dies(alive string, ids ...measurement.SessionID) {
	time.Sleep(11 * time.Second)
	if added := l.all(); len(added) == 0 || added[len(added)-1] != alive {
		l.tell(measurement.EventSilent, ids...)
		return
	}
	l.tell(measurement.EventAnswering, ids...)
}

func TestAllAddressesHaveTheirTurnWhateverTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}
		l := settled(t, names, 1)
		l.onLookup = func() { l.names["a"] = append(l.names["a"][1:4:4], l.names["a"][0]) } // as many servers do
		l.trouble(1)
		for range 60 {
			l.dies("none", 1)
		}
		added := l.all()
		first := slices.Sorted(slices.Values(added[:3])) // it was at 10.0.0.1
		if !slices.Equal(first, []string{"10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"}) {
			t.Errorf("moved to %v, want to the three other addresses first", added)
		}
		for range 3600 {
			l.dies("10.0.0.3:1", 1)
		}
		added = l.all()
		if added[len(added)-1] != "10.0.0.3:1" {
			t.Errorf("ended at %v, want the address that answers", added)
		}
		if n := len(added); n > 20 {
			t.Errorf("moved %d times, want longer and longer stays", n)
		}
	})
}

func TestAddressesOfADeadTargetTakeTurnsLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := settled(t, []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, 1)
		l.trouble(1)
		for end := time.Now().Add(24 * time.Hour); time.Now().Before(end); {
			l.dies("none", 1)
		}
		added, moves := l.all(), map[string]int{}
		for _, remote := range added {
			moves[remote]++
		}
		if n, most := len(added), int(24*time.Hour/longPatience)+15; n < 80 || n > most {
			t.Errorf("moved %d times in a day, want 80 to %d", n, most)
		}
		for remote, n := range moves {
			if n < len(added)/3-2 {
				t.Errorf("moved to %s %d times of %d, want a third", remote, n, len(added))
			}
		}
	})
}

func TestOneTransportThatAnswersHoldsTheAddress(t *testing.T) {
	const udp, tcp, connect = 1, 2, 3
	all := []measurement.SessionID{udp, tcp, connect}
	for _, open := range all {
		t.Run(fmt.Sprintf("session %d answers", open), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab()
				l.set("a", "10.0.0.1", "10.0.0.2")
				l.run(t, target("a", all...))
				l.forget()
				for _, id := range all {
					if id != open {
						l.Tell(id, measurement.EventUnreachable)
					}
				}
				time.Sleep(time.Hour) // the one may have a long interval
				l.want(t)
				l.Tell(open, measurement.EventAnswering)
				l.set("a", "10.0.0.2", "10.0.0.1")
				time.Sleep(24 * time.Hour)
				l.want(t)
			})
		})
	}
}

func TestOneTransportLeavesAnAddressOnlyWithTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := settled(t, []string{"10.0.0.1", "10.0.0.2"}, 1, 2, 3)
		l.trouble(1)
		for range 100 { // the peer is started again and again
			l.tell(measurement.EventDisconnected, 2, 3)
			time.Sleep(5 * time.Second)
			l.tell(measurement.EventConnected, 2)
			l.tell(measurement.EventAnswering, 3)
			time.Sleep(10 * time.Minute)
		}
		l.want(t)
	})
}

// An event of the old address can be told after the move; what the engine finds at the new one follows.
func TestLateEventsOfTheOldAddressAreContradicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := settled(t, []string{"10.0.0.1"}, 1)
		l.set("a", "10.0.0.2", "10.0.0.3")
		l.trouble(1)
		l.want(t, "10.0.0.2:1")
		l.Tell(1, measurement.EventSendFailed)
		l.Tell(1, measurement.EventAnswering)
		time.Sleep(time.Hour)
		l.want(t, "10.0.0.2:1")
	})
}

func TestLostEventsHaveTargetsLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := settled(t, []string{"10.0.0.1", "10.0.0.2"}, 1)
		l.missed.Add(1)
		time.Sleep(time.Hour)
		l.want(t) // nobody said that it is dead
		l.set("a", "10.0.0.3")
		time.Sleep(time.Minute)
		l.want(t, "10.0.0.3:1")
	})
}

func TestZoneIsAddedAgainWithItsInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.number("eth0", 3)
		l.run(t, target("fe80::1%eth0", 1, 2))
		once := []string{"[fe80::1%eth0]:1", "[fe80::1%eth0]:2"}
		l.want(t, once...)
		l.tell(measurement.EventAnswering, 1, 2)
		time.Sleep(time.Hour)

		l.tell(measurement.EventSendFailed, 1, 2)
		time.Sleep(time.Hour)
		l.want(t, once...) // it is the target that is dead
		l.number("eth0", 0)
		time.Sleep(time.Hour)
		l.want(t, once...)
		l.number("eth0", 4)
		time.Sleep(longPause)
		l.want(t, append(once, once...)...)
		if n := strings.Count(l.log.String(), "interface of the address not found"); n != 1 {
			t.Errorf("the log has %d lines of the failure, want 1:\n%s", n, &l.log)
		}
	})
}

func TestZoneIsAddedWhenItsInterfaceAppears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.run(t, target("fe80::1%eth0", 1))
		time.Sleep(time.Hour)
		l.want(t)
		l.number("eth0", 3)
		time.Sleep(longPause)
		l.want(t, "[fe80::1%eth0]:1")
		time.Sleep(time.Hour)
		l.want(t, "[fe80::1%eth0]:1")
	})
}

func TestInterfaceIndex(t *testing.T) {
	devices, err := net.Interfaces()
	if err != nil || len(devices) == 0 {
		t.Skipf("needs an interface: %v", err)
	}
	for _, zone := range []string{devices[0].Name, strconv.Itoa(devices[0].Index)} {
		if got, err := InterfaceIndex(zone); got != devices[0].Index || err != nil {
			t.Errorf("InterfaceIndex(%q) = %d, %v, want %d", zone, got, err, devices[0].Index)
		}
	}
	for _, zone := range []string{"no-such-device", "123456", "-1", "0"} {
		if got, err := InterfaceIndex(zone); err == nil {
			t.Errorf("InterfaceIndex(%q) = %d, want an error", zone, got)
		}
	}
}

func TestTargetIsWatchedAndForgottenByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.set("a", "10.0.0.1")
		l.run(t, target("192.0.2.1", 9))
		ctx, cancel := context.WithCancel(t.Context())
		<-l.Watch(ctx, target("192.0.2.2", 2))
		named := l.Watch(ctx, target("a", 1))
		l.want(t, "192.0.2.1:9", "192.0.2.2:2", "10.0.0.1:1")
		cancel()
		<-named
		l.set("a", "10.0.0.2")
		l.trouble(1)
		time.Sleep(time.Hour)
		l.want(t, "192.0.2.1:9", "192.0.2.2:2", "10.0.0.1:1")
	})
}
