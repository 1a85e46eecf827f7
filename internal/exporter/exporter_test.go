package exporter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/cli"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// The tests in a synctest bubble also fail when a goroutine is left behind, and their time is fake.

func TestEverySampleIsPrintedOnceInOrder(t *testing.T) {
	const rings, each = 2, 30_000
	var out bytes.Buffer
	e := exporter.New(exporter.Config{})
	e.AddBackend(cli.New(&out, cli.JSON), exporter.Pacing{Buffer: rings * each})
	stop := start(e)
	var producers sync.WaitGroup
	for i := range rings {
		id := measurement.SessionID(i + 1)
		r := newRing(t, 1024)
		e.AddRing(r) // while it runs
		addSession(t, e, measurement.Session{ID: id, Source: "a", Target: fmt.Sprint(i)})
		producers.Go(func() {
			for n := range int64(each) {
				for s := metric(id, measurement.UDPRTT, n); r.Len() == r.Cap() || !r.Push(&s); {
					runtime.Gosched()
				}
			}
		})
	}
	producers.Wait()
	if err := stop(); err != nil {
		t.Fatalf("Run = %v, want nil", err)
	}
	if c := e.Counters(); c.Lost()+c.RingDropped != 0 || c.Backends[0].Sent != rings*each {
		t.Errorf("counters = %+v, want all sent", c)
	}
	next := map[string]int64{}
	for line := range bytes.Lines(out.Bytes()) {
		got, err := exportertest.ParseLine(line)
		if err != nil {
			t.Fatal(err)
		}
		if target := got.Tags[1]; got.Value != next[target] {
			t.Fatalf("%s: value %d, want %d", target, got.Value, next[target])
		}
		next[got.Tags[1]]++
	}
	if next["target:0"] != each || next["target:1"] != each {
		t.Errorf("lines = %v, want %d each", next, each)
	}
}

func TestSamplesArriveWithoutBeingAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, push := newPair(t)
		addSession(t, e, measurement.Session{ID: 1})
		stop := start(e)
		time.Sleep(10 * time.Second) // long idle
		push(metric(1, measurement.UDPRTT, 1))
		time.Sleep(100*time.Millisecond + 1)
		synctest.Wait()
		if len(b.got()) != 1 || b.flushes != 1 {
			t.Errorf("%d points, %d flushes within 100 ms, want 1 and 1", len(b.got()), b.flushes)
		}
		push(metric(1, measurement.UDPRTT, 2))
		time.Sleep(100 * time.Millisecond)
		for i := range 100 { // while samples flow
			push(metric(1, measurement.UDPRTT, 2))
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			if got, pushed := len(b.got()), i+3; got < pushed-11 {
				t.Errorf("%d points arrived of %d, want all but those of the last 100 ms", got, pushed)
			}
		}
		if err := stop(); err != nil || b.closes != 1 {
			t.Errorf("Run = %v, %d closes, want nil and 1", err, b.closes)
		}
	})
}

// As after the end of an engine process: what its ring still holds is exported, and then the ring's
// memory may go.
func TestRemovedRingIsDrainedFirstAndItsLossesStayCounted(t *testing.T) {
	e, b, _ := newPair(t)
	addSession(t, e, measurement.Session{ID: 1})
	r := newRing(t, 4)
	e.AddRing(r)
	for i := range 6 {
		s := metric(1, measurement.UDPRTT, int64(i))
		r.Push(&s)
	}
	stop := start(e)
	e.RemoveRing(r)
	s := metric(1, measurement.UDPRTT, 9)
	r.Push(&s) // nobody looks any more
	e.RemoveRing(r)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := e.Counters().RingDropped; got != 2 || len(b.got()) != 4 {
		t.Errorf("%d points, %d dropped, want 4 and 2", len(b.got()), got)
	}
}

func TestRingCanBeRemovedAfterTheEnd(t *testing.T) {
	e, _, _ := newPair(t)
	r := newRing(t, 4)
	e.AddRing(r)
	runOnce(t, e)
	e.RemoveRing(r)
}

func TestBusyBackendIsFlushedEvery100Milliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, push := newPair(t)
		b.publish = func(context.Context, []exporter.Point) error { time.Sleep(20 * time.Millisecond); return nil }
		addSession(t, e, measurement.Session{ID: 1})
		stop := start(e)
		for i := range int64(100) { // always more than it can do
			push(metric(1, measurement.UDPLoss, 512), metric(1, measurement.UDPRTT, i))
			time.Sleep(10 * time.Millisecond)
		}
		b.mu.Lock()
		flushes := b.flushes
		b.mu.Unlock()
		if flushes < 9 || flushes > 11 {
			t.Errorf("%d flushes in a busy second, want about 10", flushes)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestStalledBackendDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, total = 100, 3000
		reader, writer := io.Pipe() // nobody reads
		r := newRing(t, 4096)
		other := &backend{name: "other"}
		e := exporter.New(exporter.Config{FlushLimit: time.Second})
		e.AddRing(r)
		e.AddBackend(cli.New(writer, cli.JSON), exporter.Pacing{Buffer: limit})
		e.AddBackend(other, exporter.Pacing{})
		addSession(t, e, measurement.Session{ID: 1})
		stop := start(e)
		for i := range int64(total) {
			push(t, r, metric(1, measurement.UDPRTT, i))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if len(other.got()) != total {
			t.Errorf("other backend has %d points, want %d", len(other.got()), total)
		}
		c := e.Counters().Backends[0]
		if c.Sent != 0 || c.Queued < limit || c.Dropped == 0 || c.Queued+c.Dropped != total {
			t.Errorf("stalled backend's counters = %+v, want at least %d queued and the rest dropped", c, limit)
		}

		begin := time.Now()
		if err := stop(); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("Run took %v to end, want the limit of 1s", took)
		}
		if c := e.Counters().Backends; c[0].Dropped != total || c[0].Queued != 0 || c[1].Sent != total {
			t.Errorf("counters = %+v, want all dropped by one and sent by the other", c)
		}
		reader.Close() // lets go of the goroutine that Run had to leave behind
	})
}

func TestBackendThatHonoursItsContextIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, push := newPair(t)
		b.publish = func(ctx context.Context, _ []exporter.Point) error { <-ctx.Done(); return ctx.Err() }
		addSession(t, e, measurement.Session{ID: 1})
		push(metric(1, measurement.UDPRTT, 1))
		begin := time.Now()
		runOnce(t, e)
		if took := time.Since(begin); took != 4500*time.Millisecond || b.closes != 1 {
			t.Errorf("Run took %v with %d closes, want 4.5s and 1", took, b.closes)
		}
		if c := e.Counters().Backends[0]; c.Failed != 1 || c.Queued != 0 {
			t.Errorf("counters = %+v, want 1 failed", c)
		}
	})
}

func TestClosedPipeEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		reader.Close()
		var log logBuffer
		r := newRing(t, 64)
		other := &backend{name: "other"}
		e := exporter.New(exporter.Config{Log: log.logger()})
		e.AddRing(r)
		e.AddBackend(cli.New(writer, cli.JSON), exporter.Pacing{})
		e.AddBackend(other, exporter.Pacing{})
		addSession(t, e, measurement.Session{ID: 1})
		push(t, r, metric(1, measurement.UDPRTT, 1))
		if err := e.Run(context.Background()); !errors.Is(err, exporter.ErrClosed) {
			t.Errorf("Run = %v, want ErrClosed", err)
		}
		if len(other.got()) != 1 || other.closes != 1 {
			t.Errorf("other backend has %d points, %d closes, want 1 and 1", len(other.got()), other.closes)
		}
		if log.String() != "" {
			t.Errorf("log = %q, want it quiet", log.String())
		}
	})
}

func TestFailingBackendIsLoggedOncePerChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		var broken atomic.Bool
		r := newRing(t, 64)
		b := &backend{name: "fake"}
		b.publish = func(context.Context, []exporter.Point) error {
			if broken.Load() {
				return errors.New("no route to host")
			}
			return nil
		}
		e := exporter.New(exporter.Config{Log: log.logger()})
		e.AddRing(r)
		e.AddBackend(b, exporter.Pacing{})
		addSession(t, e, measurement.Session{ID: 1})
		stop := start(e)
		for i := range int64(30) {
			broken.Store(i/10 == 1)
			push(t, r, metric(1, measurement.UDPRTT, i))
			time.Sleep(101 * time.Millisecond) // longer than from one poll to the next
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if c := e.Counters().Backends[0]; c.Failed != 10 || c.Sent != 20 {
			t.Errorf("counters = %+v, want 10 failed, 20 sent", c)
		}
		want := `{"level":"error","backend":"fake","error":"no route to host","message":"backend fails; its points are lost until it works again"}
{"level":"info","backend":"fake","message":"backend works again"}
`
		if log.String() != want {
			t.Errorf("log:\n%s\nwant:\n%s", log.String(), want)
		}
	})
}

func TestFailedFlushCountsWhatWasPublished(t *testing.T) {
	e, b, push := newPair(t)
	b.flush = func(context.Context) error { return errors.New("disk full") }
	addSession(t, e, measurement.Session{ID: 1})
	push(metric(1, measurement.UDPRTT, 1), metric(1, measurement.UDPRTT, 2))
	runOnce(t, e)
	if c := e.Counters().Backends[0]; c.Failed != 2 || c.Sent != 0 {
		t.Errorf("counters = %+v, want 2 failed", c)
	}
}

func TestDrainDoesNotAllocate(t *testing.T) {
	e, r := drainToCLI(t, io.Discard)
	cycle := func() {
		for i := range int64(1000) {
			s := metric(1, measurement.UDPRTT, i)
			r.Push(&s)
		}
		e.Drain()
		e.Deliver(context.Background())
	}
	cycle()
	// Deliver makes its own batch once a call, which Run does once.
	if n := testing.AllocsPerRun(100, cycle); n > 1 {
		t.Errorf("1000 samples allocate %v times, want 1", n)
	}
}

func drainToCLI(t testing.TB, w io.Writer) (*exporter.Exporter, *ring.SPSC) {
	t.Helper()
	r := newRing(t, 1024)
	e := exporter.New(exporter.Config{Name: "us"})
	e.AddRing(r)
	e.AddBackend(cli.New(w, cli.JSON), exporter.Pacing{})
	addSession(t, e, measurement.Session{ID: 1, Source: "us", Target: "foo", Tags: []string{"isp:local"}})
	return e, r
}

// One sample from the ring to a written line.
func BenchmarkDrainToCLI(b *testing.B) {
	e, r := drainToCLI(b, io.Discard)
	s := metric(1, measurement.UDPRTT, 282072)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		r.Push(&s)
		if n++; n%1000 == 0 {
			e.Drain()
			e.Deliver(context.Background())
		}
	}
}

// What an idle exporter costs each time it looks, with as many rings as a large host has loops.
func BenchmarkDrainEmpty(b *testing.B) {
	e := exporter.New(exporter.Config{})
	for range 16 {
		e.AddRing(newRing(b, 1024))
	}
	b.ReportAllocs()
	for b.Loop() {
		e.Drain()
	}
}

func TestOwnerSeesEachPoint(t *testing.T) {
	var seen, left []int64
	e := exporter.New(exporter.Config{OnPoint: func(p exporter.Point, rest int64) bool {
		seen, left = append(seen, p.Time), append(left, rest)
		return rest != 11 // of this run no more
	}})
	r := newRing(t, 16)
	e.AddRing(r)
	addSession(t, e, measurement.Session{ID: 1, Source: "a", Target: "b"})
	for _, s := range []measurement.Sample{
		{Metric: measurement.UDPRTT, Time: 1, Value: 7},
		{Metric: measurement.UDPLoss, Time: 10, Value: 3, T4: 30}, // the last one at 30
		{Metric: measurement.UDPLoss, Time: 40, Value: 12, T4: 51},
	} {
		s.Session, s.Kind = 1, measurement.KindMetric
		push(t, r, s)
	}
	stop := start(e)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(seen, []int64{1, 10, 20, 30, 40, 41}) || !slices.Equal(left, []int64{1, 3, 2, 1, 12, 11}) {
		t.Errorf("saw points at %v, with %v left, want at 1, 10, 20, 30, 40, 41, with 1, 3, 2, 1, 12, 11", seen, left)
	}
}
