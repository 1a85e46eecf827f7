package exporter

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/selfstats"
)

const reportEvery = time.Minute

// alwaysReported are the counters of every line, also when they are 0.
var alwaysReported = []selfstats.Counter{
	selfstats.SlotsSent, selfstats.ProbesAnswered, selfstats.ProbesLost, selfstats.RepliesLate,
	selfstats.RepliesDuplicate, selfstats.RepliesReordered, selfstats.RepliesMalformed,
	selfstats.ProbesReceived, selfstats.RxTimestampsMissing, selfstats.TxTimestampsMissing,
	selfstats.QueueOverflow,
}

// Reporter logs the daemon's own counters.
type Reporter struct {
	Log      zerolog.Logger
	Totals   func() selfstats.Totals // of all loops there are or were; never less than before
	Exporter *Exporter

	last selfstats.Snapshot // the lateness at the last line
}

// Run logs one line, "counters", every minute and one when ctx is done, and returns nil then. Cancel
// ctx when Exporter's Run has returned, so that the last line counts everything.
//
// Counters are totals since the start, and those that matter only now and then appear when they are
// not 0. lateness_p50, _p99 and _max say how late slots were sent in the last minute, rounded up
// to one of eight steps per power of two; in the last line, since the start.
func (r *Reporter) Run(ctx context.Context) error {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.line()
		case <-ctx.Done():
			r.last = selfstats.Snapshot{}
			r.line()
			return nil
		}
	}
}

func (r *Reporter) line() {
	totals := r.Totals()
	lateness := totals.Lateness.Sub(r.last)
	r.last = totals.Lateness
	exported := r.Exporter.Counters()

	line := r.Log.Info()
	addAlways(line, totals, exported)
	addLateness(line, lateness)
	addNonZero(line, totals, exported)
	line.Msg("counters")
}

func addAlways(line *zerolog.Event, totals selfstats.Totals, exported Counters) {
	for _, c := range alwaysReported {
		line.Uint64(c.String(), totals.Counts[c])
		if c == selfstats.SlotsSent {
			line.Uint64("slots_skipped", totals.Skipped())
		}
	}
	line.Uint64("ring_dropped", exported.RingDropped)
	line.Uint64("export_dropped", exported.Lost())
}

func addLateness(line *zerolog.Event, lateness selfstats.Snapshot) {
	line.Str("lateness_p50", lateness.Quantile(0.5).String())
	line.Str("lateness_p99", lateness.Quantile(0.99).String())
	line.Str("lateness_max", lateness.Max.String())
}

func addNonZero(line *zerolog.Event, totals selfstats.Totals, exported Counters) {
	add := func(name string, n uint64) {
		if n > 0 {
			line.Uint64(name, n)
		}
	}
	for c := range selfstats.NumCounters {
		if !slices.Contains(alwaysReported, c) {
			add(c.String(), totals.Counts[c])
		}
	}
	add("ring_corrupted", exported.RingCorrupted)
	add("unresolved", exported.Unresolved)
	add("invalid_records", exported.Invalid)
	add("excess_lost", exported.ExcessLost)
	add("events_dropped", exported.EventsDropped)
	for _, b := range exported.Backends {
		add(b.Name+"_queued", b.Queued)
		add(b.Name+"_sent", b.Sent)
		add(b.Name+"_dropped", b.Dropped)
		add(b.Name+"_failed", b.Failed)
		add(b.Name+"_retries", b.Retries)
		for _, own := range b.Own {
			add(b.Name+"_"+own.Name, own.Value)
		}
	}
}

// Lost is how many samples and points left a ring and did not arrive at a backend, added up over all
// backends.
func (c Counters) Lost() uint64 {
	lost := c.Unresolved + c.Invalid + c.ExcessLost
	for _, b := range c.Backends {
		lost += b.Dropped + b.Failed
	}
	return lost
}
