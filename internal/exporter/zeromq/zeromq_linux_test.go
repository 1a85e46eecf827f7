package zeromq

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/serverstest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

var anyPort = netip.MustParseAddrPort("127.0.0.1:0")

// subscribed is a backend with a subscriber of libzmq that is known to listen. The points by which that
// was found out have the time 0.
type subscribed struct {
	*Backend
	t          *testing.T
	subscriber *serverstest.Subscriber
}

func subscribe(t *testing.T, hwm int) *subscribed {
	t.Helper()
	b, err := New(anyPort, hwm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = b.Close(ctx)
	})
	s := &subscribed{b, t, serverstest.ZMQSubscriber(t, serverstest.ZMQOptions{Addr: b.Addr().String(), HWM: 1_000_000})}
	s.greet()
	return s
}

// greet publishes until the subscriber hears.
func (s *subscribed) greet() {
	s.t.Helper()
	mark := []exporter.Point{{Series: exportertest.Series(measurement.UDPOWD, "a", "b", nil)}}
	s.until(func() bool {
		if err := s.Publish(context.Background(), mark); err != nil {
			s.t.Fatal(err)
		}
		return len(s.messages()) > 0
	})
}

// until polls, since a file of another process is not told of.
func (s *subscribed) until(condition func() bool) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if condition() {
			return
		}
		<-tick.C
	}
	s.t.Fatal("waited for a minute")
}

func (s *subscribed) messages() [][]string {
	s.t.Helper()
	messages, err := s.subscriber.Messages()
	if err != nil {
		s.t.Fatal(err)
	}
	return messages
}

// received gives the points that arrived, when they are n or more.
func (s *subscribed) received(n int) (all []exportertest.Got) {
	s.t.Helper()
	s.until(func() bool {
		all = nil
		for _, m := range s.messages() {
			if len(m) != 1 {
				s.t.Fatalf("message of %d frames, want 1", len(m))
			}
			got, err := exportertest.ParseLine([]byte(m[0]))
			if err != nil {
				s.t.Fatal(err)
			}
			if got.Time != 0 {
				all = append(all, got)
			}
		}
		return len(all) >= n
	})
	return all
}

func TestConformance(t *testing.T) {
	exportertest.Run(t, func(t *testing.T) exportertest.Subject {
		s := subscribe(t, 100_000)
		return exportertest.Subject{Backend: s.Backend, Received: s.received}
	})
}

func own(b *Backend, name string) uint64 {
	all := b.Counters()
	return all[slices.IndexFunc(all, func(c exporter.Counter) bool { return c.Name == name })].Value
}

// A subscriber that does not read loses what goes beyond the high-water mark, counted, and the other one
// gets all.
func TestStoppedSubscriberLosesWhatIsCounted(t *testing.T) {
	const hwm, group, most = 600, 500, 50_000
	s := subscribe(t, hwm)
	other := &subscribed{s.Backend, t, serverstest.ZMQSubscriber(t, serverstest.ZMQOptions{Addr: s.Addr().String(), HWM: 1_000_000})}
	other.greet()
	s.subscriber.Pause()
	tag := strings.Repeat("x", 200) // large messages, so that few fill what the system takes
	points, sent := exportertest.Points(group), 0
	for i := range points {
		points[i].Series = exportertest.Series(measurement.UDPOWD, "a", "b", slices.Repeat([]string{tag}, 32))
	}
	for own(s.Backend, "slow_dropped") == 0 && sent < most {
		if err := s.Publish(context.Background(), points); err != nil {
			t.Fatal(err)
		}
		sent += group
		if got := len(other.received(sent)); got != sent {
			t.Fatalf("the subscriber that reads has %d messages, want %d", got, sent)
		}
	}
	if own(s.Backend, "slow_dropped") == 0 {
		t.Errorf("nothing was dropped of %d messages for a subscriber that does not read", sent)
	}
	s.subscriber.Resume()
}

// A minute at 1000 points a second of 10 series: the subscriber has all of them, each once and in order.
func TestMinuteOfTenThousandPointsASecondArrives(t *testing.T) {
	if testing.Short() {
		t.Skip("needs to run without -short: takes a minute")
	}
	const series, duration = 10, time.Minute
	s := subscribe(t, 100_000)
	points, c := exportertest.Load(t, s.Backend, exporter.Pacing{}, series, func(func() exporter.BackendCounters) {
		time.Sleep(duration) // how long the load is to last
	})
	if want := uint64(len(points)); c.Sent != want || c.Dropped+c.Failed+c.Queued != 0 || len(points) < series*59_000 {
		t.Errorf("counters = %+v of %d points, want all sent", c, want)
	}
	got := s.received(len(points))
	if len(got) != len(points) {
		t.Fatalf("%d points arrived, want %d", len(got), len(points))
	}
	// The exporter hands points on in the order in which they were produced.
	for i, p := range points {
		if got[i].Time != p.Time || got[i].Value != p.Value || got[i].Tags[1] != p.Series.Tags[1] {
			t.Fatalf("point %d arrived as %+v, want %+v of %v", i, got[i], p, p.Series.Tags)
		}
	}
}

// A subscriber that is killed under load loses what comes until it is back, and what the system had taken for
// it. The socket knows of every message what became of it.
func TestKilledSubscriberLosesWhatIsCounted(t *testing.T) {
	s := subscribe(t, 100_000)
	points, c := exportertest.Load(t, s.Backend, exporter.Pacing{}, 10, func(func() exporter.BackendCounters) {
		for _, step := range []func(){s.subscriber.Kill, s.subscriber.Restart} {
			time.Sleep(2 * time.Second) // of load
			step()
		}
		before := len(s.received(0))
		s.until(func() bool { return len(s.received(0)) > before+10_000 })
	})
	if c.Sent != uint64(len(points)) || c.Dropped+c.Failed+c.Queued != 0 {
		t.Errorf("counters = %+v of %d points, want all sent", c, len(points))
	}
	socket := s.pub.Stats()
	if socket.Messages != socket.Unmatched+socket.Sent+socket.Dropped+socket.Abandoned || socket.Unmatched == 0 {
		t.Errorf("%+v do not add up, or nothing was published without a subscriber", socket)
	}
	// What the first one had not read when it was killed is gone; the second has all from its first on.
	got := s.received(1)
	last := points[len(points)-1]
	s.until(func() bool { got = s.received(1); return got[len(got)-1].Time == last.Time })
	if n := uint64(len(got)); n > socket.Sent || n+20_000 < socket.Sent {
		t.Errorf("%d messages arrived of %d that the system took", n, socket.Sent)
	}
}

func TestMessagesWithoutSubscribersAreCounted(t *testing.T) {
	b, err := New(anyPort, 10)
	if err != nil {
		t.Fatal(err)
	}
	points := exportertest.Points(7)
	if err := b.Publish(context.Background(), points); err != nil {
		t.Fatal(err)
	}
	if got := own(b, "unmatched"); got != 7 {
		t.Errorf("unmatched = %d, want 7", got)
	}
	if err := b.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestPortInUseIsAnError(t *testing.T) {
	b, err := New(anyPort, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	if _, err := New(netip.MustParseAddrPort(b.Addr().String()), 10); err == nil {
		t.Error("a second socket on the same port is no error")
	}
}
