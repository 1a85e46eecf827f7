package datadog

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// accepting is a network where all is well.
type accepting struct{}

func (accepting) RoundTrip(r *http.Request) (*http.Response, error) {
	_, err := io.Copy(io.Discard, r.Body)
	return response(http.StatusAccepted), err
}

func response(status int) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Body: http.NoBody}
}

// network answers as a script says, and tells when it was asked.
type network struct {
	answer func(n int) (*http.Response, error)
	mu     sync.Mutex
	asked  []time.Time
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, time.Now())
	return n.answer(len(n.asked) - 1)
}

// exporting is an exporter with this backend and one session.
type exporting struct {
	exporter *exporter.Exporter
	ring     *ring.SPSC
	log      *strings.Builder
	stop     func()
	produced uint64
}

func export(t *testing.T, b *Backend, p exporter.Pacing) *exporting {
	t.Helper()
	r, err := ring.New(1 << 16)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	e := &exporting{exporter: exporter.New(exporter.Config{Log: zerolog.New(&log)}), ring: r, log: &log}
	e.exporter.AddRing(r)
	e.exporter.AddBackend(b, p)
	if err := e.exporter.AddSession(measurement.Session{ID: 1, Source: "a", Target: "b"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- e.exporter.Run(ctx) }()
	e.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(e.stop)
	return e
}

// produce makes points of the present time.
func (e *exporting) produce(m measurement.Metric, n int) {
	for range n {
		e.ring.Push(&measurement.Sample{
			Session: 1, Kind: measurement.KindMetric, Metric: m, Time: time.Now().UnixNano(), Value: 1,
		})
	}
	e.produced += uint64(n)
}

func (e *exporting) counters() exporter.BackendCounters { return e.exporter.Counters().Backends[0] }

func TestServerThatAsksForAPauseGetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &network{answer: func(n int) (*http.Response, error) {
			switch n {
			case 0:
				return nil, errors.New("connection refused")
			case 1:
				r := response(http.StatusTooManyRequests)
				r.Header.Set("X-RateLimit-Reset", "45")
				return r, nil
			}
			return response(http.StatusAccepted), nil
		}}
		e := export(t, newBackend(Options{APIKey: testKey, Window: time.Minute}, net), exporter.Pacing{Interval: 30 * time.Second})
		begin := time.Now()
		e.produce(measurement.UDPRTT, 10)
		time.Sleep(3 * time.Minute)
		e.stop()
		want := []time.Duration{30 * time.Second, 30*time.Second + 500*time.Millisecond, 75*time.Second + 500*time.Millisecond}
		for i := range want {
			if i >= len(net.asked) || net.asked[i].Sub(begin) != want[i] {
				t.Fatalf("requests at %v, want them %v after %v", net.asked, want, begin)
			}
		}
		if c := e.counters(); c.Sent != 10 || c.Retries != 2 || len(net.asked) != 3 {
			t.Errorf("%+v after %d requests, want 10 sent with 2 retries in 3", c, len(net.asked))
		}
		if got := strings.Count(e.log.String(), "backend is away") + strings.Count(e.log.String(), "backend works again"); got != 2 {
			t.Errorf("log %q, want two lines", e.log)
		}
	})
}

func TestPointsAreEitherReceivedOrCounted(t *testing.T) {
	s := newServer(t)
	s.answer = func(n int, w http.ResponseWriter, _ []byte) bool {
		switch n % 5 {
		case 0:
			says(503, "")(w)
		case 2:
			hangsUp(w)
		case 3:
			says(400, "no")(w)
		default:
			return true
		}
		return false
	}
	e := export(t, s.open(t), exporter.Pacing{Interval: 20 * time.Millisecond, Buffer: 1000})
	for range 40 {
		e.produce(measurement.UDPRTT, 50)
		e.produce(measurement.UDPLoss, 5)
		time.Sleep(30 * time.Millisecond)
	}
	e.stop()
	c := e.counters()
	if c.Queued != 0 || c.Sent+c.Failed+c.Dropped != e.produced || c.Sent == 0 || c.Failed == 0 {
		t.Errorf("%+v, want all of %d settled, some sent and some failed", c, e.produced)
	}
	// What was refused has arrived nevertheless if its second was sent again.
	if got := uint64(s.points()); got < c.Sent || got > c.Sent+c.Failed {
		t.Errorf("%d points arrived, want %d, and up to %d more", got, c.Sent, c.Failed)
	}
	t.Logf("%d arrived, %d requests, %+v", s.points(), s.sent(), c)
}

func TestServerThatIsAwayAtTheEndLosesWhatIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &network{answer: func(int) (*http.Response, error) { return nil, errors.New("connection refused") }}
		e := export(t, newBackend(Options{APIKey: testKey, Window: time.Minute}, net), exporter.Pacing{Interval: time.Second})
		e.produce(measurement.UDPRTT, 10)
		time.Sleep(10 * time.Second)
		begin := time.Now()
		e.stop()
		if c := e.counters(); c.Dropped != 10 || c.Queued+c.Sent+c.Failed != 0 {
			t.Errorf("%+v, want 10 dropped", c)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("the end took %v, want 5 s at most", took)
		}
	})
}
