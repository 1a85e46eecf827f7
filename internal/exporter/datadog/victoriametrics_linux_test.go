package datadog

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/serverstest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
	"github.com/latency-monitor/latency-monitor/pkg/ring"
)

// toVictoriaMetrics makes a backend for a server that is not Datadog's, but real.
func toVictoriaMetrics(t *testing.T, v *serverstest.VictoriaMetricsServer) *Backend {
	t.Helper()
	b, err := New(Options{URL: "http://" + v.Addr + "/datadog", APIKey: testKey, Window: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stored gives what the server has: by metric and target, and second, all values that it was given. It
// keeps every one, where Datadog keeps the last.
func stored(t *testing.T, v *serverstest.VictoriaMetricsServer) map[string]map[int64][]float64 {
	t.Helper()
	all := map[string]map[int64][]float64{}
	for _, s := range v.Export(t, `{source="a"}`) {
		seconds := map[int64][]float64{}
		for i, millis := range s.Timestamps {
			seconds[millis/1000] = append(seconds[millis/1000], s.Values[i])
		}
		all[s.Labels["__name__"]+" "+s.Labels["target"]] = seconds
	}
	return all
}

func TestVictoriaMetricsHasTheValuesThatWereSent(t *testing.T) {
	v := serverstest.VictoriaMetrics(t)
	b := toVictoriaMetrics(t, v)
	now := time.Now().Unix() - 60
	want := map[string]map[int64]float64{}
	expect := func(metric string, second int64, value float64) {
		if want[metric] == nil {
			want[metric] = map[int64]float64{}
		}
		want[metric][second] = value
	}
	rtt, loss := exportertest.Series(measurement.UDPRTT, "a", "b", []string{"isp:local"}), exportertest.Series(measurement.UDPLoss, "a", "b", nil)
	for second := range int64(30) {
		var values []int64
		for i := range int64(50 + second) {
			values = append(values, 123_456+i*7_919*second-3_000_000*(second%2))
			publish(t, b, point(rtt, now+second, i, values[i]))
		}
		sum := int64(0)
		for _, value := range values {
			sum += value
		}
		expect("udp.wan.rtt b", now+second, float64(sum)/float64(len(values))/1e6)
		expect("udp.wan.rtt.min b", now+second, float64(slices.Min(values))/1e6)
		expect("udp.wan.rtt.max b", now+second, float64(slices.Max(values))/1e6)
		expect("udp.wan.rtt.p99 b", now+second, float64(quantile99(values))/1e6)
		expect("udp.wan.rtt.count b", now+second, float64(len(values)))
		if second%10 == 3 {
			publish(t, b, point(loss, now+second, 0, 1), point(loss, now+second, 1, 1))
			expect("udp.wan.loss b", now+second, 2)
		}
	}
	flush(t, b)
	got := stored(t, v)
	// VictoriaMetrics has dots in names.
	if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
		t.Fatalf("stored: %q\nwant: %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	for metric, seconds := range want {
		if len(got[metric]) != len(seconds) {
			t.Errorf("%s has %d seconds, want %d", metric, len(got[metric]), len(seconds))
		}
		for second, value := range seconds {
			// It stores 15 decimal digits at least.
			if x := got[metric][second]; len(x) != 1 || math.Abs(x[0]-value) > 1e-14*math.Abs(value) {
				t.Errorf("%s of second %d = %v, want %v", metric, second, x, value)
			}
		}
	}
}

// load pushes a point a millisecond for each of several sessions into a ring.
type load struct {
	sessions int
	ring     *ring.SPSC
	produced map[string]int // by metric and target
	refused  int
}

func newLoad(t *testing.T, e *exporter.Exporter, sessions int) *load {
	t.Helper()
	r, err := ring.New(1 << 17)
	if err != nil {
		t.Fatal(err)
	}
	e.AddRing(r)
	for i := range sessions {
		s := measurement.Session{ID: measurement.SessionID(i + 1), Source: "a", Target: fmt.Sprint("t", i)}
		if err := e.AddSession(s); err != nil {
			t.Fatal(err)
		}
	}
	return &load{sessions: sessions, ring: r, produced: map[string]int{}}
}

// run produces until the time is over. Every 100th probe is lost, and told a second late.
func (l *load) run(until time.Time) {
	for next := time.Now(); next.Before(until); next = next.Add(time.Millisecond) {
		time.Sleep(time.Until(next))
		for i := range l.sessions {
			sample := measurement.Sample{
				Session: measurement.SessionID(i + 1), Kind: measurement.KindMetric,
				Metric: measurement.UDPRTT, Time: next.UnixNano(), Value: 100_000 + next.UnixNano()%1_000_000,
			}
			if next.UnixMilli()%100 == 0 {
				sample.Metric, sample.Value, sample.Time = measurement.UDPLoss, 1, sample.Time-1e9
			}
			if !l.ring.Push(&sample) {
				l.refused++
				continue
			}
			l.produced[fmt.Sprintf("%s t%d", sample.Metric, i)]++
		}
	}
}

// received is how many points of each metric and target the server has: the greatest count of a second
// is the last.
func received(t *testing.T, v *serverstest.VictoriaMetricsServer) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for metric, seconds := range stored(t, v) {
		name, target, _ := strings.Cut(metric, " ")
		if !strings.HasSuffix(name, ".count") && name != measurement.UDPLoss.String() {
			continue
		}
		for _, values := range seconds {
			counts[strings.TrimSuffix(name, ".count")+" "+target] += int(slices.Max(values))
		}
	}
	return counts
}

// The server is not there at first, and is killed later, under load. It has on disk what it
// acknowledged before: that something can get lost there is not for us to find.
func TestVictoriaMetricsKilledUnderLoadHasAllPoints(t *testing.T) {
	v := serverstest.VictoriaMetrics(t)
	v.Stop()
	e := exporter.New(exporter.Config{Log: zerolog.New(zerolog.NewTestWriter(t))})
	e.AddBackend(toVictoriaMetrics(t, v), exporter.Pacing{Interval: 5 * time.Second, Buffer: 200_000})
	l := newLoad(t, e, 10)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()

	producing := make(chan struct{})
	go func() {
		defer close(producing)
		l.run(time.Now().Add(time.Minute))
	}()
	counters := func() exporter.BackendCounters { return e.Counters().Backends[0] }
	await := func(what string, done func(c exporter.BackendCounters) bool) {
		t.Helper()
		for !done(counters()) {
			select {
			case <-producing:
				t.Fatalf("a minute was not enough until %s: %+v", what, counters())
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	await("it was missed at the start", func(c exporter.BackendCounters) bool { return c.Retries >= 2 })
	v.Restart()
	sent := uint64(0)
	for range 2 {
		await("it was sent to", func(c exporter.BackendCounters) bool { return c.Sent > sent })
		sent = counters().Sent
	}
	v.Flush(t) // nothing else is sent for 5 s
	v.Kill()
	retries := counters().Retries
	await("it was missed when it was killed", func(c exporter.BackendCounters) bool { return c.Retries >= retries+3 })
	v.Restart()
	<-producing
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}

	produced, want := 0, l.produced
	for _, n := range want {
		produced += n
	}
	c := counters()
	if c.Sent != uint64(produced) || c.Dropped+c.Failed+c.Queued != 0 || l.refused > 0 || e.Counters().Lost() != 0 {
		t.Errorf("%+v, %d refused by the ring, want all %d sent", c, l.refused, produced)
	}
	if got := received(t, v); !maps.Equal(got, want) {
		t.Errorf("the server has %v\nwant %v", got, want)
	}
	t.Logf("%d points of %d series, %+v", produced, len(want), c)
}
