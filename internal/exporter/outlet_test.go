package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// paced makes an exporter with one backend, a ring and a session.
func paced(t *testing.T, p exporter.Pacing) (*exporter.Exporter, *backend, *ring.SPSC, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	e := exporter.New(exporter.Config{Log: log.logger()})
	b := &backend{name: "fake"}
	e.AddBackend(b, p)
	r := newRing(t, 4096)
	e.AddRing(r)
	addSession(t, e, measurement.Session{ID: 1})
	return e, b, r, log
}

func values(points []exporter.Point) []int64 {
	var all []int64
	for _, p := range points {
		all = append(all, p.Value)
	}
	return all
}

func TestPointsAreGatheredForAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, r, _ := paced(t, exporter.Pacing{Batch: 2000, Interval: 10 * time.Second})
		var sizes []int
		b.publish = func(_ context.Context, points []exporter.Point) error {
			sizes = append(sizes, len(points))
			return nil
		}
		stop := start(e)
		for i := range int64(2500) { // 100 a second
			push(t, r, metric(1, measurement.UDPRTT, i))
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		for _, size := range sizes {
			if size < 980 || size > 1020 { // the exporter looks every 10 ms
				t.Errorf("%d points published at once, want about 1000", size)
			}
		}
		if len(sizes) < 2 || b.flushes != 2 {
			t.Errorf("published %d times and flushed %d times in 25 s, want about twice", len(sizes), b.flushes)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if c := e.Counters().Backends[0]; c.Sent != 2500 {
			t.Errorf("counters = %+v, want all sent", c)
		}
	})
}

// A backend that never gets to the end of what waits is flushed nevertheless, and its points are sent.
func TestBackendThatIsTooSlowForTheLoadIsFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, r, _ := paced(t, exporter.Pacing{Buffer: 1000, Batch: 10, Interval: time.Second})
		b.publish = func(ctx context.Context, _ []exporter.Point) error {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			return nil
		}
		stop := start(e)
		for i := range int64(10_000) { // twice as many as it takes
			push(t, r, metric(1, measurement.UDPRTT, i))
			time.Sleep(5 * time.Millisecond)
		}
		c := e.Counters().Backends[0]
		if c.Sent < 4000 || c.Queued > 1000+200 || b.flushes < 40 {
			t.Errorf("counters = %+v after %d flushes in 50 s, want about 5000 sent and at most 1200 queued", c, b.flushes)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestBatchOfAnIntervalDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, r, _ := paced(t, exporter.Pacing{Batch: 100, Interval: time.Hour})
		stop := start(e)
		for i := range int64(250) {
			push(t, r, metric(1, measurement.UDPRTT, i))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(b.got()); n != 200 || b.flushes != 0 {
			t.Errorf("%d points and %d flushes, want 200 and none", n, b.flushes)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if c := e.Counters().Backends[0]; c.Sent != 250 || b.flushes != 1 {
			t.Errorf("counters = %+v after %d flushes, want all sent after one", c, b.flushes)
		}
	})
}

// What is kept is the newest, in order, once; and the log tells it once.
func TestUnavailableBackendGetsTheNewestWhenItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const buffer, total = 1000, 5000
		e, b, r, log := paced(t, exporter.Pacing{Buffer: buffer, Batch: 10})
		var away atomic.Bool
		b.publish = func(context.Context, []exporter.Point) error {
			if away.Load() {
				return &exporter.UnavailableError{Err: errors.New("connection refused")}
			}
			return nil
		}
		stop := start(e)
		for i := range int64(total) {
			if i == 1000 {
				time.Sleep(time.Second)
				synctest.Wait()
				away.Store(true)
			}
			push(t, r, metric(1, measurement.UDPRTT, i))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		c := e.Counters().Backends[0]
		if c.Sent != 1000 || c.Dropped == 0 || c.Queued+c.Dropped != total-1000 || c.Queued > buffer+10 {
			t.Errorf("counters = %+v, want 1000 sent, at most %d queued, the rest dropped", c, buffer+10)
		}
		if c.Retries < 3 || c.Retries > 10 { // 0.5 s, 1 s, … 30 s in 41 s
			t.Errorf("%d retries in 41 s, want a few", c.Retries)
		}
		away.Store(false)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		c = e.Counters().Backends[0]
		if c.Queued+c.Failed != 0 || c.Sent+c.Dropped != total {
			t.Errorf("counters = %+v, want all sent or dropped", c)
		}
		got := values(b.got())
		if !slices.IsSorted(got) || got[len(got)-1] != total-1 || got[len(got)-buffer] != total-buffer {
			t.Errorf("the last of %d points are not the newest %d", len(got), buffer)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		want := `{"level":"error","backend":"fake","error":"connection refused","message":"backend is away; the newest points are kept until it is back"}
{"level":"info","backend":"fake","message":"backend works again"}
`
		if log.String() != want {
			t.Errorf("log:\n%s\nwant:\n%s", log, want)
		}
	})
}

// Whoever looks why nothing arrives must find the present reason, not that of a week ago.
func TestNewReasonOfAnUnavailableBackendIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, r, log := paced(t, exporter.Pacing{})
		var calls int
		b.publish = func(context.Context, []exporter.Point) error {
			calls++
			switch {
			case calls <= 3:
				return &exporter.UnavailableError{Err: fmt.Errorf("refused, try %d", calls), Reason: "refused"}
			case calls <= 6:
				return &exporter.UnavailableError{Err: fmt.Errorf("password, try %d", calls), Reason: "password"}
			}
			return nil
		}
		stop := start(e)
		push(t, r, metric(1, measurement.UDPRTT, 1))
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		const away = "backend is away; the newest points are kept until it is back"
		want := `{"level":"error","backend":"fake","error":"refused, try 1","message":"` + away + `"}
{"level":"error","backend":"fake","error":"password, try 4","message":"` + away + `"}
{"level":"info","backend":"fake","message":"backend works again"}
`
		if log.String() != want {
			t.Errorf("log:\n%s\nwant:\n%s", log, want)
		}
	})
}

// A server that refuses the login is not away, and whoever looks for its outage looks in vain.
func TestRefusalIsToldAsOneAndKeepsThePoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, r, log := paced(t, exporter.Pacing{})
		var calls int
		b.publish = func(context.Context, []exporter.Point) error {
			calls++
			switch {
			case calls <= 2:
				return &exporter.UnavailableError{Err: errors.New("connection refused")}
			case calls <= 4:
				return &exporter.UnavailableError{Err: errors.New("wrong password"), Refused: true}
			}
			return nil
		}
		stop := start(e)
		push(t, r, metric(1, measurement.UDPRTT, 1))
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		want := `{"level":"error","backend":"fake","error":"connection refused","message":"backend is away; the newest points are kept until it is back"}
{"level":"error","backend":"fake","error":"wrong password","message":"backend refuses to work; the newest points are kept until it does"}
{"level":"info","backend":"fake","message":"backend works again"}
`
		if log.String() != want || e.Counters().Backends[0].Sent != 1 {
			t.Errorf("counters %+v, log:\n%s\nwant the point sent, and:\n%s", e.Counters().Backends[0], log, want)
		}
	})
}

func TestUnavailableFlushIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, r, _ := paced(t, exporter.Pacing{Interval: time.Second})
		b.flush = func(context.Context) error {
			if b.flushes < 3 {
				return &exporter.UnavailableError{Err: errors.New("away"), After: 5 * time.Second}
			}
			return nil
		}
		stop := start(e)
		push(t, r, metric(1, measurement.UDPRTT, 1))
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if c := e.Counters().Backends[0]; c.Queued != 1 || c.Retries != 1 {
			t.Errorf("counters = %+v after 9 s, want 1 queued after 1 retry", c)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if c := e.Counters().Backends[0]; c.Sent != 1 || c.Retries != 2 {
			t.Errorf("counters = %+v, want 1 sent after 2 retries", c)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// At the end there is time for some tries, and what then is left counts as dropped.
func TestUnavailableBackendDoesNotDelayTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, r, _ := paced(t, exporter.Pacing{Batch: 2})
		b.publish = func(context.Context, []exporter.Point) error {
			return &exporter.UnavailableError{Err: errors.New("away"), After: time.Hour}
		}
		stop := start(e)
		for i := range int64(5) {
			push(t, r, metric(1, measurement.UDPRTT, i))
		}
		time.Sleep(time.Minute)
		begin := time.Now()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 4500*time.Millisecond || b.closes != 1 {
			t.Errorf("Run took %v with %d closes, want 4.5s and 1", took, b.closes)
		}
		if c := e.Counters().Backends[0]; c.Dropped != 5 || c.Queued+c.Failed != 0 || c.Retries < 10 {
			t.Errorf("counters = %+v, want 5 dropped after some tries", c)
		}
	})
}

// Whoever ends the daemon is told what it still waits for, and what was in vain.
func TestLongEndIsToldAndWhatIsLostInIt(t *testing.T) {
	const waiting = `{"level":"info","backend":"fake","points":5,"message":"stopping: waiting for the backend to take what is left"}
`
	for _, test := range []struct {
		name string
		end  time.Duration // from its beginning until the backend takes points
		want string
	}{
		{"soon", 500 * time.Millisecond, ""},
		{"late", 2 * time.Second, waiting},
		{"never", time.Hour, waiting +
			`{"level":"warn","backend":"fake","points":5,"message":"backend did not take all points in time; the rest is lost"}
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, b, r, log := paced(t, exporter.Pacing{Buffer: 5, Interval: time.Hour})
				b.flush = func(ctx context.Context) error {
					select {
					case <-time.After(test.end):
						return nil
					case <-ctx.Done():
						return &exporter.UnavailableError{Err: ctx.Err()}
					}
				}
				stop := start(e)
				for i := range int64(8) { // three of which are dropped long before the end
					push(t, r, metric(1, measurement.UDPRTT, i))
					time.Sleep(time.Second)
				}
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				if log.String() != test.want {
					t.Errorf("log:\n%s\nwant:\n%s", log, test.want)
				}
			})
		})
	}
}

// Nobody misses points of a pipe whose reader leaves as the daemon ends.
func TestOtherEndThatLeavesDuringTheEndIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, r, log := paced(t, exporter.Pacing{Batch: 1})
		b.publish = func(context.Context, []exporter.Point) error {
			time.Sleep(100 * time.Millisecond)
			return exporter.ErrClosed
		}
		stop := start(e)
		for i := range int64(3) {
			push(t, r, metric(1, measurement.UDPRTT, i))
		}
		if err := stop(); !errors.Is(err, exporter.ErrClosed) {
			t.Errorf("Run = %v, want ErrClosed", err)
		}
		if c := e.Counters().Backends[0]; c.Dropped != 2 || c.Failed != 1 || log.String() != "" {
			t.Errorf("counters = %+v, log %q, want the points dropped and failed, and it quiet", c, log)
		}
	})
}

func TestRejectedPointsFailAndTheOthersAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, r, log := paced(t, exporter.Pacing{})
		b.publish = func(_ context.Context, points []exporter.Point) error {
			bad := 0
			for _, p := range points {
				if p.Value%10 == 0 {
					bad++
				}
			}
			if bad == 0 {
				return nil
			}
			return fmt.Errorf("insert: %w", &exporter.RejectedError{Err: errors.New("code 72"), Points: bad})
		}
		stop := start(e)
		for i := range int64(1000) {
			push(t, r, metric(1, measurement.UDPRTT, i))
			time.Sleep(10 * time.Millisecond)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if c := e.Counters().Backends[0]; c.Failed != 100 || c.Sent != 900 {
			t.Errorf("counters = %+v, want 100 failed and 900 sent", c)
		}
		if lines := strings.Count(log.String(), "code 72"); lines != 2 || !strings.Contains(log.String(), `"points":99`) {
			t.Errorf("log = %s, want a line for the first and one for the rest at the end", log)
		}
	})
}

// A backend that sums up takes points while its server is away. They count as queued until a Flush has
// handed them on, and none is dropped however many come.
func TestPointsAreSummedUpWhileTheServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const produced, outage = 5000, 40 * time.Second
		e, b, r, log := paced(t, exporter.Pacing{Buffer: 1000, Batch: 100, Interval: 10 * time.Second})
		begin := time.Now()
		tries := 0
		b.flush = func(context.Context) error {
			if time.Since(begin) < outage {
				tries++
				return &exporter.UnavailableError{Err: errors.New("refused"), Summed: true}
			}
			return nil
		}
		stop := start(e)
		for i := range int64(produced) { // 100 a second
			push(t, r, metric(1, measurement.UDPRTT, i))
			time.Sleep(10 * time.Millisecond)
			if i == 3500 {
				c := e.Counters().Backends[0]
				if c.Sent != 0 || c.Dropped != 0 || c.Queued < 3490 || c.Retries != uint64(tries) {
					t.Errorf("counters during the outage = %+v, want all queued, and %d retries", c, tries)
				}
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if c := e.Counters().Backends[0]; c.Sent != produced || len(b.got()) != produced {
			t.Errorf("%d published, counters = %+v, want all sent", len(b.got()), c)
		}
		if tries != 6 { // after 10 s, and then 0.5, 1, 2, 4, 8 and 16 s later, of which the last succeeds
			t.Errorf("%d tries in vain, want 6", tries)
		}
		for _, once := range []string{"backend is away", "backend works again"} {
			if n := strings.Count(log.String(), once); n != 1 {
				t.Errorf("%d lines with %q, want 1:\n%s", n, once, log)
			}
		}
	})
}

// At the end there is no later: it is tried again until the time is over, and then they are dropped.
func TestSummedPointsOfAServerThatStaysAwayAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, b, r, _ := paced(t, exporter.Pacing{Batch: 100, Interval: time.Second})
		b.flush = func(context.Context) error {
			return &exporter.UnavailableError{Err: errors.New("refused"), Summed: true}
		}
		stop := start(e)
		for i := range int64(250) {
			push(t, r, metric(1, measurement.UDPRTT, i))
			time.Sleep(10 * time.Millisecond)
		}
		began := time.Now()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if c := e.Counters().Backends[0]; c.Dropped != 250 || c.Sent+c.Failed+c.Queued != 0 {
			t.Errorf("counters = %+v, want 250 dropped", c)
		}
		if took := time.Since(began); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("the end took %v, want nearly 5 s", took)
		}
	})
}

// starting is a backend that wants to be told of the start.
type starting struct {
	backend
	started int
}

func (s *starting) Start() { s.started++ }

func TestBackendIsStartedOnceEvenWithoutAPoint(t *testing.T) {
	e := exporter.New(exporter.Config{})
	b := &starting{backend: backend{name: "fake"}}
	e.AddBackend(b, exporter.Pacing{})
	runOnce(t, e)
	if b.started != 1 {
		t.Errorf("started %d times, want once", b.started)
	}
}
