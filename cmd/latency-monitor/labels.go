package main

import (
	"fmt"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/families"
	"github.com/latency-monitor/latency-monitor/internal/exporter/prometheus"
	"github.com/latency-monitor/latency-monitor/internal/exporter/pushgateway"
	"github.com/latency-monitor/latency-monitor/pkg/measurement"
)

// The backends that make labels of tags.

// shortestIdle is after how long a series without points disappears, if no target's interval is long.
const shortestIdle = 5 * time.Minute

// reservedLabels are the label names that tags may not have, by backend, beside those that no backend
// lets them have.
var reservedLabels = map[string][]string{
	config.BackendPrometheus:  nil,
	config.BackendPushgateway: pushgateway.Grouping,
}

// checkLabels refuses the first target whose tags do not become labels in a backend that wants them to.
func checkLabels(c config.Config) error {
	for _, b := range c.Backends {
		reserved, wanted := reservedLabels[b.Name]
		if !wanted {
			continue
		}
		for _, t := range c.Targets {
			if err := families.Check(t.Tags, reserved...); err != nil {
				return fmt.Errorf("%s: target %q: backend %s: %w", c.File, t.Name(), b.Name, err)
			}
		}
	}
	return nil
}

func (i ingredients) families() families.Config {
	c := families.Config{
		Foreign: i.daemon.config.MaxSessions, Idle: shortestIdle, Reserved: reservedLabels[i.Name],
	}
	for _, t := range i.daemon.config.Targets {
		if transports(t) == 0 {
			continue
		}
		// Its sessions differ in nothing that makes a label.
		c.Sessions = append(c.Sessions, measurement.Session{Source: i.daemon.config.Name, Target: t.Name(), Tags: t.Tags})
		c.Idle = max(c.Idle, 3*t.Interval)
	}
	return c
}

func newPrometheus(i ingredients) (exporter.Backend, error) {
	d := i.daemon
	return prometheus.New(prometheus.Config{
		Listen: i.Text("listen"), Families: i.families(), Version: versionText(),
		Begun: d.measures.Load, Trouble: d.monitor.Trouble, Totals: d.monitor.Totals, Counters: d.monitor.Exported,
	})
}

func newPushgateway(i ingredients) (exporter.Backend, error) {
	return pushgateway.New(pushgateway.Config{
		Gateway: i.Text("gateway"), Job: i.Text("job"), Instance: i.Text("instance"),
		Username: i.Text("username"), Password: i.Text("password"),
		CAFile: i.Text("ca_file"), InsecureSkipVerify: i.Bool("insecure_skip_verify"),
		DeleteOnExit: i.Bool("delete_on_exit"), Families: i.families(),
	})
}
