// Package familiestest reads what was told of series in tests of the backends that use package families.
package familiestest

import (
	"maps"

	dto "github.com/prometheus/client_model/go"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/exporter/families"
)

// Sum finds a series among all families, of which each may stand there several times, and tells what
// arrived of it; nothing if it is not there. Labels that the series of more have are left out.
func Sum(all []*dto.MetricFamily, s *exporter.Series, reserved, more []string) exportertest.Sum {
	want := families.Labels(s.Tags, reserved)
	for _, family := range all {
		if family.GetName() != families.Name(s.Metric) {
			continue
		}
		for _, m := range family.GetMetric() {
			if !maps.Equal(labelsOf(m, more), want) {
				continue
			}
			if s.Metric.Loss() {
				return exportertest.Sum{Count: uint64(m.GetCounter().GetValue())}
			}
			return exportertest.Sum{Count: m.GetHistogram().GetSampleCount(), Seconds: m.GetHistogram().GetSampleSum()}
		}
	}
	return exportertest.Sum{}
}

func labelsOf(m *dto.Metric, without []string) map[string]string {
	labels := map[string]string{}
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	for _, name := range without {
		delete(labels, name)
	}
	return labels
}
