package latencymonitor

import (
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/isolation"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
)

// Stats is what a [Monitor] did so far. Every slot in which a probe was to leave, every probe and every
// sample is in one of its counters.
type Stats struct {
	// Counters has all counters of the README's table by the names they have there, those that are 0 too:
	// totals since New, such as "slots_sent", "answered" and "lost". Those of backends are in Backends.
	// Slots sent are answered + lost + abandoned + one_way + probes under way.
	Counters map[string]uint64

	// Lateness is by how much probes left after their slots, since New.
	Lateness Lateness

	// MetricsSent and MetricsDropped are the points that were sent on the channel of Metrics since somebody
	// asked for it, and those that found it full.
	MetricsSent, MetricsDropped uint64

	Backends []BackendStats // in the order in which they were added
	Engine   Mode           // in use: ModeLinux or ModePortable
	Isolated bool           // the engine has a process of its own
	Targets  int            // that there are now
	Sessions int            // to them: one for each transport

	// Unaddressed is how many Targets are not probed, since no address of their host is known: its name can't be
	// resolved, or was not yet, or the interface of its zone is not there. Before Start that is all of them.
	Unaddressed int
}

// Lateness is a distribution of durations. Quantiles are rounded up, to one of eight steps per power of
// two.
type Lateness struct {
	Count         uint64
	P50, P99, Max time.Duration
}

// BackendStats says where the points of one backend are: each that was offered to it is in exactly one
// of Queued, Sent, Dropped and Failed.
//
//   - Name string: the backend's
//   - Queued uint64: waiting, or published and not flushed yet
//   - Sent uint64: published and flushed
//   - Dropped uint64: too many waited, or the time to close was over
//   - Failed uint64: given up for an error
//   - Retries uint64: times that Publish or Flush was called again for the same points
//   - Own []Counter: the backend's own figures, see Backend
type BackendStats = exporter.BackendCounters

// Counter is a figure of a backend's own.
//
//   - Name string: such as "slow_dropped"; it follows the backend's in the log
//   - Value uint64
type Counter = exporter.Counter

// Stats reads the counters, at any time, also after Close.
func (m *Monitor) Stats() Stats {
	e, isolated := m.measuring.current()
	totals, exported := e.Totals(), m.exporter.Counters()
	s := Stats{
		Counters: countersOf(totals, exported),
		Lateness: Lateness{
			Count: totals.Lateness.Count, P50: totals.Lateness.Quantile(0.5), P99: totals.Lateness.Quantile(0.99),
			Max: totals.Lateness.Max,
		},
		Backends: exported.Backends, Engine: Mode(e.Mode()), Isolated: isolated,
	}
	s.MetricsSent, s.MetricsDropped = m.metrics.counts()
	for _, t := range m.present() {
		s.Targets++
		s.Sessions += len(t.sessions)
		if _, addressed := m.addressed.Load(t.sessions[0].ID); !addressed {
			s.Unaddressed++
		}
	}
	return s
}

// Totals is for the command, whose backends publish counters too. Others use Stats.
func (m *Monitor) Totals() selfstats.Totals {
	e, _ := m.measuring.current()
	return e.Totals()
}

// Trouble is for the command, as Totals: why a Monitor that runs does not measure at present; nil: it does.
func (m *Monitor) Trouble() error {
	e, _ := m.measuring.current()
	if isolated, ok := e.(*isolation.Engine); ok {
		return isolated.Trouble()
	}
	return nil // an engine in this process that fails ends the Monitor
}

// Exported is for the command, as Totals.
func (m *Monitor) Exported() exporter.Counters { return m.exporter.Counters() }

func countersOf(totals selfstats.Totals, exported exporter.Counters) map[string]uint64 {
	counters := map[string]uint64{
		"slots_skipped":   totals.Skipped(),
		"ring_dropped":    exported.RingDropped,
		"ring_corrupted":  exported.RingCorrupted,
		"export_dropped":  exported.Lost(),
		"unresolved":      exported.Unresolved,
		"invalid_records": exported.Invalid,
		"excess_lost":     exported.ExcessLost,
		"events_dropped":  exported.EventsDropped,
	}
	for c := range selfstats.NumCounters {
		counters[c.String()] = totals.Counts[c]
	}
	return counters
}
