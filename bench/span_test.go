package bench

import (
	"flag"
	"slices"
	"time"
)

// span is how long each thing is measured at a time. A benchmark is one experiment per iteration, so `-count 5`
// gives five runs to take the median of.
var span = flag.Duration("span", time.Second, "how long each thing is measured at a time")

// turns is how often the things that are compared take turns in one run, so that all see the same noise.
const turns = 2

// warmUp is how long a daemon runs before it is measured: until sessions went over to STAMP, and all memory that is
// used was touched.
const warmUp = 2 * time.Second

// patience is how long a program may take to do what it does at once on an idle machine.
const patience = 30 * time.Second

// quantile is the value that share q of the sorted values do not exceed; 0 of none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// reporter is a testing.B, as far as figures are concerned.
type reporter interface {
	ReportMetric(n float64, unit string)
}

// reportQuantiles reports some quantiles of durations, in ns, under units such as "late-p50-ns", and returns the
// durations sorted.
func reportQuantiles(b reporter, what string, durations []time.Duration) []time.Duration {
	slices.Sort(durations)
	for _, q := range []struct {
		name string
		q    float64
	}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}} {
		b.ReportMetric(float64(quantile(durations, q.q)), what+"-"+q.name+"-ns")
	}
	return durations
}
