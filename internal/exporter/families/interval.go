package families

import (
	client "github.com/prometheus/client_golang/prometheus"
)

// Intervals is a table as a Collector that also tells gauges of the last interval.
type Intervals struct{ *Table }

// Collect tells all series, and of each what came since the last call of Next.
func (i Intervals) Collect(out chan<- client.Metric) {
	i.Table.Collect(out)
	for _, m := range i.list((*series).appendInterval) {
		out <- m
	}
}

// Next ends the interval.
func (i Intervals) Next() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, set := range i.sets {
		for _, s := range set.series {
			s.interval = interval{}
		}
	}
}

// Unsent reports whether there were points since the last call of Next.
func (i Intervals) Unsent() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, set := range i.sets {
		for _, s := range set.series {
			if s.interval.count > 0 {
				return true
			}
		}
	}
	return false
}
