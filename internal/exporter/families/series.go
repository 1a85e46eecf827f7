package families

import (
	"time"

	client "github.com/prometheus/client_golang/prometheus"

	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// buckets are the classic buckets of delays: 1, 2 and 5 times each power of ten, from 1 µs to 1 s. A
// delay beyond is in the last, +Inf.
var buckets = []float64{
	1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1,
}

const (
	// nativeFactor makes 8 native buckets per power of two.
	nativeFactor = 1.1
	// maxNative is how many there are at most: from 1 µs to 1 s all of them. With more the histogram
	// halves its resolution.
	maxNative = 160
)

// series is what came of one metric with one label set. One of histogram, losses and gauge is there.
type series struct {
	metric    measurement.Metric
	labels    client.Labels
	histogram client.Histogram
	losses    client.Counter
	gauge     client.Gauge
	negative  client.Counter // nil until there is a negative delay
	last      time.Time      // of a point
	forgotten bool           // it is in no table any more
	interval  interval
}

func newSeries(m measurement.Metric, labels client.Labels) *series {
	s := &series{metric: m, labels: labels}
	name, text := Name(m), help[m]
	switch {
	case m.Loss():
		s.losses = client.NewCounter(client.CounterOpts{Name: name, Help: text, ConstLabels: labels})
	case m == measurement.HostClockError:
		s.gauge = client.NewGauge(client.GaugeOpts{Name: name, Help: text, ConstLabels: labels})
	default:
		s.histogram = client.NewHistogram(client.HistogramOpts{
			Name: name, Help: text, ConstLabels: labels, Buckets: buckets,
			NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: maxNative,
		})
	}
	return s
}

func (s *series) observe(value int64) {
	switch {
	case s.losses != nil:
		s.losses.Add(max(0, float64(value)))
		return
	case s.gauge != nil:
		s.gauge.Set(seconds(value))
		return
	}
	s.histogram.Observe(seconds(value))
	if value < 0 {
		s.countNegative()
	}
}

func seconds(nanoseconds int64) float64 { return float64(nanoseconds) / float64(time.Second) }

// active reports whether there was a point since then, or one that the interval still has to tell.
func (s *series) active(since time.Time) bool { return s.last.After(since) || s.interval.count > 0 }

func (s *series) countNegative() {
	if s.negative == nil {
		s.negative = client.NewCounter(client.CounterOpts{
			Name: stem(s.metric) + "_negative_total", ConstLabels: s.labels,
			Help: "Delays below 0, which are in the histogram too: a clock is off by more than the delay.",
		})
	}
	s.negative.Inc()
}

// appendTo appends what there is to tell.
func (s *series) appendTo(metrics []client.Metric) []client.Metric {
	switch {
	case s.losses != nil:
		return append(metrics, s.losses)
	case s.gauge != nil:
		return append(metrics, s.gauge)
	case s.negative != nil:
		metrics = append(metrics, s.negative)
	}
	return append(metrics, s.histogram)
}

// interval sums up the points of one interval.
type interval struct {
	count               int
	last, min, max, sum float64
}

func (i *interval) add(v float64) {
	if i.count == 0 {
		i.min, i.max = v, v
	}
	i.count++
	i.last, i.min, i.max = v, min(i.min, v), max(i.max, v)
	i.sum += v
}

// appendInterval appends gauges of the interval: how many points there were, and if there were any,
// their least, their mean, their greatest and their last. The value of a loss says nothing.
func (s *series) appendInterval(metrics []client.Metric) []client.Metric {
	gauge := func(suffix, help string, v float64) {
		desc := client.NewDesc(stem(s.metric)+suffix, help, nil, s.labels)
		metrics = append(metrics, client.MustNewConstMetric(desc, client.GaugeValue, v))
	}
	i := s.interval
	if s.gauge != nil {
		return metrics
	}
	gauge("_points", "Points of the last interval.", float64(i.count))
	if s.losses != nil || i.count == 0 {
		return metrics
	}
	gauge("_min_seconds", "Least delay of the last interval.", i.min)
	gauge("_mean_seconds", "Mean delay of the last interval.", i.sum/float64(i.count))
	gauge("_max_seconds", "Greatest delay of the last interval.", i.max)
	gauge("_last_seconds", "Last delay of the last interval.", i.last)
	return metrics
}
