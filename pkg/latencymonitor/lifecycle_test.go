package latencymonitor

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/waittest"
)

func TestLifeInWrongOrder(t *testing.T) {
	each(t, func(t *testing.T, e Engine) {
		m := opened(t, "m", e)
		started(t, m)
		if err := m.Start(t.Context()); !errors.Is(err, ErrStarted) {
			t.Errorf("second Start = %v, want ErrStarted", err)
		}
		if err := m.AddBackend(&recorder{}, Pacing{}); !errors.Is(err, ErrStarted) {
			t.Errorf("AddBackend after Start = %v, want ErrStarted", err)
		}
		if err := m.Err(); err != nil {
			t.Errorf("Err = %v while it runs, want nil", err)
		}
		var closing sync.WaitGroup
		for range 3 {
			closing.Go(func() { must(t, m.Close()) })
		}
		closing.Wait()
		<-m.Done()
		if err := m.Start(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Start after Close = %v, want ErrClosed", err)
		}
		if _, err := m.AddUDPTarget("127.0.0.1"); !errors.Is(err, ErrClosed) {
			t.Errorf("AddUDPTarget after Close = %v, want ErrClosed", err)
		}
		if _, open := <-m.Metrics(); open {
			t.Error("the channel of Metrics is open after Close")
		}
		if err := m.RemoveTarget(1); !errors.Is(err, ErrNoTarget) {
			t.Errorf("RemoveTarget of none = %v, want ErrNoTarget", err)
		}
	})
}

func TestCloseBeforeStart(t *testing.T) {
	each(t, func(t *testing.T, e Engine) {
		m, b := opened(t, "m", e), &recorder{}
		must(t, m.AddBackend(b, Pacing{}))
		_, err := m.AddUDPTarget("127.0.0.1")
		must(t, err)
		points := m.Metrics()
		must(t, m.Close())
		if _, open := <-points; open || b.closed() != 1 {
			t.Errorf("the channel is open: %v, the backend was closed %d times, want closed once", open, b.closed())
		}
		free, err := net.ListenPacket("udp", m.options.Reflector.Address.String()+":"+portOf(m))
		if err != nil {
			t.Fatalf("its port is still in use: %v", err)
		}
		must(t, free.Close())
	})
}

func TestEndOfContextCloses(t *testing.T) {
	each(t, func(t *testing.T, e Engine) {
		m := opened(t, "m", e)
		ctx, cancel := context.WithCancel(t.Context())
		must(t, m.Start(ctx))
		cancel()
		<-m.Done()
		if err := m.Err(); err != nil {
			t.Errorf("Err = %v, want nil", err)
		}
		must(t, m.Close())
	})
}

func TestStartWithinAContextThatIsDone(t *testing.T) {
	each(t, func(t *testing.T, e Engine) {
		m := opened(t, "m", e)
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if err := m.Start(ctx); !errors.Is(err, why) {
			t.Errorf("Start = %v, want %v", err, why)
		}
		<-m.Done()
		must(t, m.Close())
	})
}

func TestCloseDuringStart(t *testing.T) {
	each(t, func(t *testing.T, e Engine) {
		for range 5 {
			m := opened(t, "m", e)
			result := make(chan error, 1)
			go func() { result <- m.Start(context.Background()) }()
			must(t, m.Close())
			if err := <-result; err != nil && !errors.Is(err, ErrClosed) {
				t.Errorf("Start = %v, want nil or ErrClosed", err)
			}
		}
	})
}

func TestPortInUseIsAnErrorOfNew(t *testing.T) {
	each(t, func(t *testing.T, e Engine) {
		m := opened(t, "m", e)
		_, err := New(Options{Name: "n", Engine: e, Reflector: m.options.Reflector})
		if err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("New = %v, want: address already in use", err)
		}
	})
}

// A Monitor that is closed leaves nothing behind.
func TestNothingIsLeftAfterClose(t *testing.T) {
	each(t, func(t *testing.T, e Engine) {
		round := func() {
			a, b := made(t, "a", e), made(t, "b", Engine{}) // processes end slowly under the race detector
			id, err := a.AddTarget(toward(b, 0))
			must(t, err)
			_, err = a.AddUDPTarget("localhost")
			must(t, err)
			must(t, a.AddBackend(&recorder{}, Pacing{}))
			a.Metrics()
			started(t, b)
			started(t, a)
			waittest.Until(t, "probes", func() bool { return a.count("answered") > 10 })
			must(t, a.RemoveTarget(id))
			must(t, a.Close())
			must(t, b.Close())
		}
		round() // makes what the runtime keeps
		before := leftovers()
		for range 20 {
			round()
		}
		waittest.Until(t, "goroutines as before", func() bool { return leftovers().goroutines <= before.goroutines })
		after := leftovers()
		t.Logf("before %+v, after %+v", before, after)
		if after.procs != before.procs || after.files > before.files {
			t.Errorf("after 20 rounds %+v, before %+v", after, before)
		}
		if after.heap > before.heap+4<<20 { // two Monitors take more than 4 MB: their channels and rings
			t.Errorf("after 20 rounds a heap of %d octets, before of %d", after.heap, before.heap)
		}
	})
}

type left struct {
	goroutines, procs, files int
	heap                     uint64
}

func leftovers() left {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	files, _ := os.ReadDir("/proc/self/fd") // none on other systems
	return left{runtime.NumGoroutine(), runtime.GOMAXPROCS(0), len(files), memory.HeapAlloc}
}

// Monitors that start and stop at the same time do not take away each other's Ps.
func TestManyMonitorsAtOnceLeaveGOMAXPROCS(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	var all sync.WaitGroup
	for range 8 {
		m := opened(t, "m", Engine{})
		all.Go(func() {
			for _, err := range []error{m.Start(context.Background()), m.Close()} {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if after := runtime.GOMAXPROCS(0); after != before {
		t.Errorf("GOMAXPROCS is %d, was %d", after, before)
	}
}

// What waits for a reply at the end is waited for, but not longer than its timeout.
func TestCloseWaitsForTheLastReplies(t *testing.T) {
	each(t, func(t *testing.T, e Engine) {
		silent, err := newSilent()
		must(t, err)
		defer silent.Close()
		m := opened(t, "m", e)
		const timeout = 300 * time.Millisecond
		_, err = m.AddTarget(Target{
			Host: "127.0.0.1", UDPPort: silent.port(), Interval: time.Millisecond, Timeout: timeout, Transports: UDP,
		})
		must(t, err)
		got := listen(m)
		started(t, m)
		waittest.Until(t, "50 probes", func() bool { return m.count("slots_sent") >= 50 })
		began := time.Now()
		must(t, m.Close())
		<-got.ended
		if took := time.Since(began); took < timeout/3 || took > waittest.Patience() {
			t.Errorf("Close took %v, want about %v", took, timeout)
		}
		checkProbes(t, m)
		if lost := m.count("lost"); lost == 0 || got.of("udp.wan.loss source:m target:127.0.0.1") != lost {
			t.Errorf("published are\n%v\nwant %d losses", got, lost)
		}
	})
}
