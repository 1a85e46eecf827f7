package main

import (
	"fmt"
	"slices"
	"time"
)

// measure is how a figure comes from what the runs of benchmarks reported.
type measure interface {
	// figure is false if a benchmark did not report what it takes.
	figure(r *results) (figure, bool)
	// in is the unit of the figure's value, as benchmarks write it.
	in() string
}

type figure struct {
	value float64
	runs  string // which runs it is from, and how they spread
	short bool   // the runs were too short to say anything
}

// median is the middle one of the values that a benchmark reported under a unit.
type median struct{ benchmark, unit string }

func (m median) figure(r *results) (figure, bool) {
	values := m.sorted(r)
	if len(values) == 0 {
		return figure{}, false
	}
	return figure{value: middle(values), runs: spread(values[0], values[len(values)-1], m.unit, len(values))}, true
}

func (m median) in() string { return m.unit }

// sorted are the values of all runs.
func (m median) sorted(r *results) []float64 {
	b := r.find(m.benchmark)
	if b == nil {
		return nil
	}
	return slices.Sorted(slices.Values(b.runs[m.unit]))
}

func middle(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

func spread(least, most float64, unit string, runs int) string {
	return fmt.Sprintf("%s to %s in %s", format(least, unit), format(most, unit), count(runs))
}

func count(runs int) string {
	if runs == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", runs)
}

// total is the sum over all runs, which together have to take a while.
type total struct {
	median
	atLeast time.Duration
}

func (t total) figure(r *results) (figure, bool) {
	values := t.sorted(r)
	if len(values) == 0 {
		return figure{}, false
	}
	f := figure{runs: fmt.Sprintf("in %s of %s", count(len(values)), r.span())}
	for _, v := range values {
		f.value += v
	}
	f.short = time.Duration(len(values))*r.span() < t.atLeast
	return f, true
}
