package latencymonitor

import (
	"strings"
	"sync"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
)

// Metric is one point: a delay, or a lost probe.
type Metric struct {
	// Name says what was measured, such as "udp.wan.rtt"; the README has a table of all.
	Name string
	// Tags are source:, target: and then the target's own, in this order. Metrics share them: don't change
	// them.
	Tags []string
	// Time is the wall clock when the probe was sent, for what the prober measures; when it arrived, for
	// what the receiver does.
	Time time.Time
	// Value is in nanoseconds: negative for a one-way delay between clocks that differ by more. For a lost
	// probe it is 1.
	Value int64

	loss bool
}

// Lost reports whether the metric is a lost probe and not a delay.
func (m Metric) Lost() bool { return m.loss }

// Delay is the Value of a delay. It is 0 for a lost probe.
func (m Metric) Delay() time.Duration {
	if m.loss {
		return 0
	}
	return time.Duration(m.Value)
}

// Tag returns what follows the key and a colon in the first tag that begins so: Tag("target").
func (m Metric) Tag(key string) (value string, ok bool) {
	for _, tag := range m.Tags {
		if name, value, found := strings.Cut(tag, ":"); found && name == key {
			return value, true
		}
	}
	return "", false
}

func metricOf(p exporter.Point) Metric {
	return Metric{
		Name: p.Series.Name, Tags: p.Series.Tags, Time: time.Unix(0, p.Time), Value: p.Value,
		loss: p.Series.Metric.Loss(),
	}
}

// feed is the channel of metrics, once somebody asks for it.
type feed struct {
	capacity int

	mu      sync.Mutex
	c       chan Metric // nil: nobody has asked
	closed  bool
	sent    uint64
	dropped uint64
}

func (f *feed) open() <-chan Metric {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.c == nil {
		f.c = make(chan Metric, f.capacity)
		if f.closed {
			close(f.c)
		}
	}
	return f.c
}

// take sends a point, if there is room. If there is none, all that are left of those that come with it are
// dropped: they would not find any either.
func (f *feed) take(p exporter.Point, left int64) (more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.c == nil || f.closed {
		return false
	}
	select {
	case f.c <- metricOf(p):
		f.sent++
		return true
	default:
		f.dropped += uint64(left)
		return false
	}
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.c != nil {
		close(f.c)
	}
}

func (f *feed) counts() (sent, dropped uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent, f.dropped
}
