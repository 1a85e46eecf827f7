package prometheus

import (
	"runtime"
	"time"

	client "github.com/prometheus/client_golang/prometheus"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/families"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
)

// latenessBuckets are upper bounds in seconds; slots of 0.1 ms are skipped when they are 50 µs late.
var latenessBuckets = []float64{1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 0.1, 1}

// ownCounters is the daemon's own counters as a Collector, under the names that they have in the log: the
// log's slots_sent is latency_monitor_slots_sent_total.
type ownCounters struct {
	config Config
	table  *families.Table
}

func buildInfo(version string) client.Collector {
	info := client.NewGauge(client.GaugeOpts{
		Name: families.Namespace + "build_info", Help: "1, with the version of this program and of Go as labels.",
		ConstLabels: client.Labels{"version": version, "goversion": runtime.Version()},
	})
	info.Set(1)
	return info
}

// Describe tells nothing: the backends are known only when all are made.
func (ownCounters) Describe(chan<- *client.Desc) {}

// Collect reads all counters.
func (o ownCounters) Collect(out chan<- client.Metric) {
	if o.config.Begun() {
		totals := o.config.Totals()
		for c := range selfstats.NumCounters {
			counter(out, c.String(), totals.Counts[c])
		}
		out <- lateness(totals.Lateness)
	}
	o.collectExported(out, o.config.Counters())
	o.collectTable(out)
}

func (o ownCounters) collectExported(out chan<- client.Metric, c exporter.Counters) {
	counter(out, "ring_dropped", c.RingDropped)
	counter(out, "ring_corrupted", c.RingCorrupted)
	counter(out, "unresolved", c.Unresolved)
	counter(out, "invalid_records", c.Invalid)
	counter(out, "excess_lost", c.ExcessLost)
	counter(out, "events_dropped", c.EventsDropped)
	backend := func(kind client.ValueType, suffix, help, name string, n uint64) {
		desc := client.NewDesc(families.Namespace+"backend_"+suffix, help, []string{"backend"}, nil)
		out <- client.MustNewConstMetric(desc, kind, float64(n), name)
	}
	for _, b := range c.Backends {
		backend(client.CounterValue, "sent_total", "Points that the backend delivered.", b.Name, b.Sent)
		backend(client.CounterValue, "dropped_total", "Points given up without success.", b.Name, b.Dropped)
		backend(client.CounterValue, "failed_total", "Points given up because of an error.", b.Name, b.Failed)
		backend(client.CounterValue, "retries_total", "Times that the backend was tried again.", b.Name, b.Retries)
		backend(client.GaugeValue, "queued", "Points that wait for the backend.", b.Name, b.Queued)
		for _, own := range b.Own { // some count up, others do not
			backend(client.UntypedValue, own.Name, "The backend's own figure "+own.Name+", see its README.", b.Name, own.Value)
		}
	}
}

func (o ownCounters) collectTable(out chan<- client.Metric) {
	sets, series, collisions := o.table.Size()
	gauge := func(name, help string, n int) {
		desc := client.NewDesc(families.Namespace+name, help, nil, nil)
		out <- client.MustNewConstMetric(desc, client.GaugeValue, float64(n))
	}
	gauge("label_sets", "Label sets, for each transport, that have had points lately.", sets)
	gauge("series", "Series that have had points lately.", series)
	counter(out, "label_collisions", collisions)
}

func counter(out chan<- client.Metric, name string, n uint64) {
	desc := client.NewDesc(families.Namespace+name+"_total", "The daemon's own counter "+name+", see its README.", nil, nil)
	out <- client.MustNewConstMetric(desc, client.CounterValue, float64(n))
}

// lateness makes a histogram of by how much probes left after their slots. All durations are rounded up
// to one of eight steps per power of two.
func lateness(s selfstats.Snapshot) client.Metric {
	cumulative := map[float64]uint64{}
	for _, bound := range latenessBuckets {
		cumulative[bound] = 0
	}
	var sum float64
	for edge, n := range s.Buckets() {
		seconds := float64(edge) / float64(time.Second)
		sum += seconds * float64(n)
		for _, bound := range latenessBuckets {
			if seconds <= bound {
				cumulative[bound] += n
			}
		}
	}
	desc := client.NewDesc(families.Namespace+"lateness_seconds", "By how much probes left after their slots.", nil, nil)
	return client.MustNewConstHistogram(desc, s.Count, sum, cumulative)
}
