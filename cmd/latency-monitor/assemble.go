package main

import (
	"fmt"
	"io"
	"net"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/cli"
	"github.com/latency-monitor/latency-monitor/internal/exporter/datadog"
	"github.com/latency-monitor/latency-monitor/internal/exporter/zlog"
	"github.com/latency-monitor/latency-monitor/internal/resolver"
)

// backends make the backends of this build from their own keys.
var backends = map[string]func(b config.Backend, log logbook, stdout io.Writer) (exporter.Backend, error){
	config.BackendCLI: func(b config.Backend, _ logbook, stdout io.Writer) (exporter.Backend, error) {
		return cli.New(stdout, cli.Format(b.Text("format"))), nil
	},
	config.BackendLog: func(b config.Backend, log logbook, _ io.Writer) (exporter.Backend, error) {
		level := config.ParseLogLevel(b.Text("level"))
		return zlog.New(log.Logger, log.out, levels[level]), nil
	},
	config.BackendDatadog: func(b config.Backend, _ logbook, _ io.Writer) (exporter.Backend, error) {
		return datadog.New(datadog.Options{
			Site: b.Text("site"), URL: b.Text("url"), APIKey: b.Text("api_key"), Window: b.Seconds("late_limit"),
			CAFile: b.Text("ca_file"), InsecureSkipVerify: b.Bool("insecure_skip_verify"),
		})
	},
}

// checkBackends returns an error that names the first backend that this build has not.
func checkBackends(wanted []config.Backend) error {
	for _, b := range wanted {
		if backends[b.Name] == nil {
			return fmt.Errorf("metrics backend %q is not part of this build: must be %s, %s or %s",
				b.Name, config.BackendCLI, config.BackendLog, config.BackendDatadog)
		}
	}
	return nil
}

// assemble wires the parts, in the order in which a sample meets them: engine, exporter, backends.
func assemble(c config.Config, targets []resolver.Target, book logbook, stdout io.Writer) (*daemon, error) {
	log := book.Logger
	d := &daemon{log: log, config: c, targets: targets}
	d.exporter = exporter.New(exporterConfig(c, log, d.onEvent))
	for _, t := range targets {
		for _, s := range t.Sessions {
			if err := d.exporter.AddSession(s); err != nil {
				return nil, err
			}
		}
	}
	for _, b := range c.Backends {
		backend, err := backends[b.Name](b, book, stdout)
		if err != nil {
			return nil, err
		}
		d.exporter.AddBackend(backend, pacing(b))
	}
	if err := d.makeEngine(); err != nil {
		return nil, err
	}
	d.resolver = &resolver.Resolver{
		Lookup: net.DefaultResolver.LookupNetIP, Interface: resolver.InterfaceIndex,
		Add: d.addSession, Missed: d.missed, Log: log,
	}
	d.reporter = &exporter.Reporter{Log: log, Totals: d.totals, Exporter: d.exporter}
	return d, nil
}

// pacing is how points are handed to a backend, by the keys that any may have.
func pacing(b config.Backend) exporter.Pacing {
	return exporter.Pacing{Buffer: b.Int("buffer"), Batch: b.Int("batch"), Interval: b.Seconds("send_interval")}
}

// exporterConfig lets the exporter know twice as many reflected sessions as there may be: the ring may
// hold the end of each, and the beginning of another one.
func exporterConfig(c config.Config, log zerolog.Logger, onEvent func(exporter.Event)) exporter.Config {
	return exporter.Config{Name: c.Name, Log: log, OnEvent: onEvent, MaxReflected: 2 * c.MaxSessions}
}

// onEvent lets the resolver know which targets answer.
func (d *daemon) onEvent(e exporter.Event) { d.resolver.Tell(e.ID, e.Kind) }

// missed is how many events there may have been that onEvent was not called for.
func (d *daemon) missed() uint64 {
	c := d.exporter.Counters()
	return c.RingDropped + c.EventsDropped
}
