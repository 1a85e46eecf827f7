package families

import (
	"fmt"
	"sync"
	"time"

	client "github.com/prometheus/client_golang/prometheus"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

const (
	defaultIdle    = 5 * time.Minute
	defaultForeign = 4096
	// The table is swept when a part of the idle time is over.
	sweepsPerIdle = 20
)

// Config is what a Table needs to know.
type Config struct {
	Sessions []measurement.Session // that we probe: their label sets are always taken
	Foreign  int                   // how many label sets of other hosts' probes may be there at once; 0 = 4096
	Idle     time.Duration         // for how long a series without points stays; 0 = 5 min
	Reserved []string              // label names that no tag may have, beside those that Check knows

	// Intervals is for Collector Intervals: points are also summed up until Next, and a series that has
	// any since then is not idle.
	Intervals bool
}

// Table is the series that there are. It may be used from several goroutines at once.
//
// It is a Collector that describes nothing beforehand, which Prometheus' client calls unchecked: series
// come and go, and each family has several sets of label names.
type Table struct {
	config Config
	ours   map[string]bool // label sets, by key, of the sessions that we probe

	mu         sync.Mutex
	sets       map[setKey]*set
	cache      map[*exporter.Series]*series // nil: refused
	foreign    int                          // in sets
	collisions uint64
	swept      time.Time
}

type setKey struct {
	transport transport
	labels    string
}

// set is the series of one label set.
type set struct {
	labels  client.Labels
	foreign bool
	series  map[measurement.Metric]*series
}

// NewTable makes a table without series.
func NewTable(c Config) *Table {
	if c.Foreign <= 0 {
		c.Foreign = defaultForeign
	}
	if c.Idle <= 0 {
		c.Idle = defaultIdle
	}
	t := &Table{config: c, ours: map[string]bool{}}
	for _, s := range c.Sessions {
		labels, _ := labelsOf(exporter.Tags(s), c.Reserved)
		t.ours[key(labels)] = true
	}
	t.clear()
	return t
}

func (t *Table) clear() {
	t.sets, t.cache, t.foreign = map[setKey]*set{}, map[*exporter.Series]*series{}, 0
	t.swept = time.Now()
}

// Observe takes points. Those of other hosts' probes whose label set is one too many are refused: err is
// a RejectedError then.
func (t *Table) Observe(points []exporter.Point) error {
	now := time.Now()
	refused := 0
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	for i := range points {
		s := t.find(points[i].Series)
		if s == nil {
			refused++
			continue
		}
		s.last = now
		s.observe(points[i].Value)
		if t.config.Intervals {
			s.interval.add(seconds(points[i].Value))
		}
	}
	if refused == 0 {
		return nil
	}
	return &exporter.RejectedError{Points: refused, Err: fmt.Errorf(
		"too many names and tags of other hosts' probes: there are %d already", t.config.Foreign)}
}

// seriesOfSet is how many series a label set has at most: as many as there are metrics.
const seriesOfSet = 12

// find returns nil when the series is refused.
func (t *Table) find(named *exporter.Series) *series {
	s, known := t.cache[named]
	if known && (s == nil || !s.forgotten) {
		return s
	}
	if len(t.cache) > seriesOfSet*(t.config.Foreign+len(t.ours)) { // sessions came and went
		clear(t.cache)
	}
	s = t.add(named)
	t.cache[named] = s
	return s
}

// add finds or makes a series by its labels.
func (t *Table) add(named *exporter.Series) *series {
	labels, collisions := labelsOf(named.Tags, t.config.Reserved)
	key := setKey{transportOf(named.Metric), key(labels)}
	if t.sets[key] == nil {
		foreign := key.transport != host && !t.ours[key.labels]
		if foreign && t.foreign >= t.config.Foreign {
			return nil
		}
		t.collisions += uint64(collisions)
		t.sets[key] = newSet(labels, foreign)
		if foreign {
			t.foreign++
		}
	}
	set := t.sets[key]
	if loss, has := key.transport.loss(); has {
		set.add(loss)
	}
	return set.add(named.Metric)
}

func newSet(labels []label, foreign bool) *set {
	return &set{labels: byName(labels), foreign: foreign, series: map[measurement.Metric]*series{}}
}

func (s *set) add(m measurement.Metric) *series {
	if s.series[m] == nil {
		s.series[m] = newSeries(m, s.labels)
	}
	return s.series[m]
}

// sweep forgets what is idle.
func (t *Table) sweep(now time.Time) {
	if now.Sub(t.swept) < t.config.Idle/sweepsPerIdle {
		return
	}
	t.swept = now
	for key, set := range t.sets {
		if !set.sweep(now.Add(-t.config.Idle)) {
			continue
		}
		delete(t.sets, key)
		if set.foreign {
			t.foreign--
		}
	}
	for named, s := range t.cache {
		if s == nil || s.forgotten {
			delete(t.cache, named) // what was refused may have another try
		}
	}
}

// sweep forgets the series without a point since then, but counters of losses only all together with the
// last other series. It reports whether nothing is left.
func (s *set) sweep(since time.Time) bool {
	active := false
	for _, one := range s.series {
		active = active || one.active(since)
	}
	for m, one := range s.series {
		if active && (one.losses != nil || one.active(since)) {
			continue
		}
		one.forgotten = true
		delete(s.series, m)
	}
	return !active
}

// Describe tells nothing, see Table.
func (t *Table) Describe(chan<- *client.Desc) {}

// Collect tells all series. It keeps Observe waiting only while it lists them.
func (t *Table) Collect(out chan<- client.Metric) {
	for _, m := range t.list((*series).appendTo) {
		out <- m
	}
}

func (t *Table) list(appendTo func(*series, []client.Metric) []client.Metric) []client.Metric {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(time.Now())
	var all []client.Metric
	for _, set := range t.sets {
		for _, s := range set.series {
			all = appendTo(s, all)
		}
	}
	return all
}

// Forget forgets all series, as if the daemon had just begun.
func (t *Table) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, set := range t.sets {
		for _, s := range set.series {
			s.forgotten = true
		}
	}
	t.clear()
}

// Size is how many label sets and series there are, and how often tags of other hosts did not become one
// label each.
func (t *Table) Size() (sets, series int, collisions uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, set := range t.sets {
		series += len(set.series)
	}
	return len(t.sets), series, t.collisions
}
