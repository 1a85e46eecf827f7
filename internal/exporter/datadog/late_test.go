package datadog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const tagsAB = "source:a|target:b"

// wantValue checks what the server has of a second.
func wantValue(t *testing.T, s *server, metric string, at int64, want float64) {
	t.Helper()
	if got, ok := s.value(metric, tagsAB, at); !ok || got != want {
		t.Errorf("%s of second %d = %v (there: %v), want %v", metric, at, got, ok, want)
	}
}

func TestLatePointsJoinTheirSecond(t *testing.T) {
	s := newServer(t)
	b := s.open(t)
	rtt, loss := exportertest.Series(measurement.UDPRTT, "a", "b", nil), exportertest.Series(measurement.UDPLoss, "a", "b", nil)
	publish(t, b, point(rtt, at, 1, 1e6), point(rtt, at, 2, 3e6), point(rtt, at+1, 0, 9e6), point(loss, at, 3, 1))
	flush(t, b)
	wantValue(t, s, "udp.wan.rtt", at, 2)
	publish(t, b, point(rtt, at, 4, 5e6), point(loss, at, 5, 1), point(rtt, at+30, 0, 1e6))
	flush(t, b)
	wantValue(t, s, "udp.wan.rtt", at, 3)
	wantValue(t, s, "udp.wan.rtt.min", at, 1)
	wantValue(t, s, "udp.wan.rtt.max", at, 5)
	wantValue(t, s, "udp.wan.rtt.p99", at, 5)
	wantValue(t, s, "udp.wan.rtt.count", at, 3)
	wantValue(t, s, "udp.wan.loss", at, 2)
	wantValue(t, s, "udp.wan.rtt", at+1, 9)
	wantValue(t, s, "udp.wan.rtt", at+30, 1)
}

func TestPointsOfClosedSecondsAreRefused(t *testing.T) {
	s := newServer(t)
	b := s.open(t)
	rtt := exportertest.Series(measurement.UDPRTT, "a", "b", nil)
	publish(t, b, point(rtt, at, 0, 1e6), point(rtt, at+10, 0, 1e6), point(rtt, at+61, 0, 1e6))
	flush(t, b)
	err := b.Publish(context.Background(), []exporter.Point{
		point(rtt, at, 5, 7e6), point(rtt, at-1, 5, 7e6), point(rtt, at+10, 5, 7e6), point(rtt, at+5, 0, 8e6),
	})
	rejected, ok := errors.AsType[*exporter.RejectedError](err)
	if !ok || rejected.Points != 2 || !errors.Is(err, errClosed) {
		t.Fatalf("Publish = %v, want the points of the first two seconds to be refused", err)
	}
	flush(t, b)
	wantValue(t, s, "udp.wan.rtt", at, 1)
	wantValue(t, s, "udp.wan.rtt", at+10, 4)
	wantValue(t, s, "udp.wan.rtt", at+5, 8) // it was never sent, so it replaces nothing
}

// However long the server is away: the rest of the second that was under way comes after that.
func TestSecondStaysOpenWhileTheServerIsAway(t *testing.T) {
	s := newServer(t)
	s.answer = answers(says(503, ""))
	b := s.open(t)
	rtt := exportertest.Series(measurement.UDPRTT, "a", "b", nil)
	publish(t, b, point(rtt, at, 0, 1e6))
	if err := b.Flush(context.Background()); err == nil {
		t.Fatal("Flush = nil, want an error")
	}
	b.turned = b.turned.Add(-time.Hour)
	flush(t, b)
	publish(t, b, point(rtt, at, 1, 3e6))
	flush(t, b)
	wantValue(t, s, "udp.wan.rtt", at, 2)
}

func TestSeriesWithTheSameTagsAreOne(t *testing.T) {
	s := newServer(t)
	b := s.open(t)
	own := []string{"x:1", "y:2"}
	first := exportertest.Series(measurement.UDPRTT, "a", "b", own)
	slices.Reverse(own)
	again := exportertest.Series(measurement.UDPRTT, "a", "b", own)
	publish(t, b, point(first, at, 0, 1e6))
	flush(t, b)
	publish(t, b, point(again, at, 1, 3e6))
	flush(t, b)
	if got, _ := s.value("udp.wan.rtt.count", "source:a|target:b|x:1|y:2", at); got != 2 || len(b.all) != 1 {
		t.Errorf("count = %v in %d series, want 2 in one", got, len(b.all))
	}
}

// generations flushes for n windows, with a point each second if there are seconds.
func (b *Backend) generations(t *testing.T, n int, next func() exporter.Point) (refused int) {
	t.Helper()
	for range n * int(b.window/time.Second) {
		time.Sleep(time.Second)
		if next != nil {
			if err := b.Publish(context.Background(), []exporter.Point{next()}); err != nil {
				refused++
			}
		}
		if err := b.Flush(context.Background()); err != nil {
			t.Fatalf("Flush = %v", err)
		}
	}
	return refused
}

func TestClockThatIsSetBackIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(Options{APIKey: testKey, Window: time.Minute}, accepting{})
		rtt := exportertest.Series(measurement.UDPRTT, "a", "b", nil)
		now := int64(at)
		tick := func() exporter.Point { now++; return point(rtt, now, 0, 1e6) }
		b.generations(t, 5, tick)
		now -= 3600
		refused := b.generations(t, 5, tick)
		if refused > 121 {
			t.Errorf("%d points were refused after the clock was set back, want those of two windows at most", refused)
		}
		if again := b.generations(t, 5, tick); again != 0 {
			t.Errorf("%d points were refused later, want 0", again)
		}
		if n := len(b.all[0].seconds); n > 62 {
			t.Errorf("%d seconds are kept, want those of a window", n)
		}
	})
}

func TestIdleSeriesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(Options{APIKey: testKey, Window: time.Minute}, accepting{})
		for i := range 10 {
			s := exportertest.Series(measurement.UDPRTT, "a", fmt.Sprint(i), nil)
			publish(t, b, point(s, at, 0, 1e6))
		}
		busy := exportertest.Series(measurement.UDPRTT, "a", "busy", nil)
		now := int64(at)
		b.generations(t, 4, func() exporter.Point { now++; return point(busy, now, 0, 1) })
		if len(b.all) != 1 || len(b.byIdentity) != 1 || len(b.byPointer) > 1 {
			t.Errorf("%d series are kept, %d by identity, %d by pointer, want 1", len(b.all), len(b.byIdentity), len(b.byPointer))
		}
		b.generations(t, 4, nil)
		if len(b.all) != 0 || b.octets != 0 {
			t.Errorf("%d series and %d octets are kept, want none", len(b.all), b.octets)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	s := newServer(t)
	b := s.open(t)
	b.limit = 100_000
	all := make([]*exporter.Series, 20)
	for i := range all {
		all[i] = exportertest.Series(measurement.UDPRTT, "a", fmt.Sprint(i), nil)
	}
	produced := 0
	for second := range int64(200) { // without a Flush
		var points []exporter.Point
		for _, series := range all {
			for i := range int64(10) {
				points = append(points, point(series, at+second, i, 1000*i*i*second))
			}
		}
		publish(t, b, points...)
		produced += len(points)
		if b.octets > 130_000 {
			t.Fatalf("second %d: %d octets are taken, of %d", second, b.octets, b.limit)
		}
	}
	flush(t, b)
	if got := s.points(); got != produced {
		t.Errorf("%d points arrived, want %d", got, produced)
	}
	sum := 0
	for _, series := range b.all {
		for _, x := range series.seconds {
			sum += x.octets()
		}
	}
	if sum != b.octets {
		t.Errorf("%d octets are counted, want %d", b.octets, sum)
	}
}

// More series than there is room for seconds of each: they are closed at once, and nothing is wrong.
func TestMemoryIsBoundedWithManySeries(t *testing.T) {
	s := newServer(t)
	b := s.open(t)
	b.limit = 10_000
	produced, refused := 0, 0
	var points []exporter.Point
	for i := range 500 {
		series := &exporter.Series{Metric: measurement.UDPRTT, Name: "udp.wan.rtt", Tags: []string{fmt.Sprint("source:", i), "target:b"}}
		points = append(points, point(series, at, 0, 1e6), point(series, at, 1, 3e6))
	}
	for part := range slices.Chunk(points, 51) {
		err := b.Publish(context.Background(), part)
		if rejected, ok := errors.AsType[*exporter.RejectedError](err); ok {
			refused += rejected.Points
		} else if err != nil {
			t.Fatal(err)
		}
		produced += len(part)
	}
	flush(t, b)
	if got := s.points(); got+refused != produced || refused > 20 {
		t.Errorf("%d points arrived and %d were refused of %d", got, refused, produced)
	}
}

func TestPublishDoesNotAllocate(t *testing.T) {
	b := newBackend(Options{APIKey: testKey, Window: time.Minute}, accepting{})
	points := exportertest.Points(512)
	publish(t, b, points...)
	if n := testing.AllocsPerRun(100, func() { publish(t, b, points...) }); n != 0 {
		t.Errorf("512 points allocate %v times, want 0", n)
	}
}

func BenchmarkPublish(b *testing.B) {
	backend := newBackend(Options{APIKey: testKey, Window: time.Minute}, accepting{})
	series := make([]*exporter.Series, 100)
	for i := range series {
		series[i] = exportertest.Series(measurement.UDPRTT, "a", fmt.Sprint(i), nil)
	}
	random := rand.New(rand.NewPCG(1, 2))
	points := make([]exporter.Point, 512)
	now := int64(at * 1e9)
	b.ReportAllocs()
	for b.Loop() {
		for i := range points {
			now += 1e6 / int64(len(series))
			points[i] = exporter.Point{Series: series[i%len(series)], Time: now, Value: int64(100_000 * math.Exp(random.NormFloat64()/2))}
		}
		if err := backend.Publish(context.Background(), points); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(points)), "ns/point")
}
