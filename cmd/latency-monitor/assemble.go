package main

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/cli"
	"github.com/latency-monitor/latency-monitor/internal/exporter/datadog"
	"github.com/latency-monitor/latency-monitor/internal/exporter/zeromq"
	"github.com/latency-monitor/latency-monitor/internal/exporter/zlog"
	"github.com/latency-monitor/latency-monitor/internal/resolver"
)

// ingredients is what a backend is made of.
type ingredients struct {
	config.Backend
	daemon *daemon // so far: neither engine nor backends
	log    logbook
	stdout io.Writer
}

// backends make the backends of this build. What they need of the system, such as a port, they take at
// once, while there are privileges.
var backends = map[string]func(i ingredients) (exporter.Backend, error){
	config.BackendCLI: func(i ingredients) (exporter.Backend, error) {
		return cli.New(i.stdout, cli.Format(i.Text("format"))), nil
	},
	config.BackendLog: func(i ingredients) (exporter.Backend, error) {
		return zlog.New(i.log.Logger, i.log.out, levels[config.ParseLogLevel(i.Text("level"))]), nil
	},
	config.BackendZeroMQ: func(i ingredients) (exporter.Backend, error) {
		address, err := netip.ParseAddr(i.Text("address"))
		if err != nil {
			return nil, err
		}
		return zeromq.New(netip.AddrPortFrom(address, uint16(i.Int("port"))), i.Int("hwm"))
	},
	config.BackendDatadog: func(i ingredients) (exporter.Backend, error) {
		return datadog.New(datadog.Options{
			Site: i.Text("site"), URL: i.Text("url"), APIKey: i.Text("api_key"), Window: i.Seconds("late_limit"),
			CAFile: i.Text("ca_file"), InsecureSkipVerify: i.Bool("insecure_skip_verify"),
		})
	},
	config.BackendClickHouse:  newClickHouse,
	config.BackendPrometheus:  newPrometheus,
	config.BackendPushgateway: newPushgateway,
}

// checkBackends returns an error that names the first backend that this build has not.
func checkBackends(wanted []config.Backend) error {
	for _, b := range wanted {
		if backends[b.Name] == nil {
			known := slices.Sorted(maps.Keys(backends))
			last := len(known) - 1
			return fmt.Errorf("metrics backend %q is not part of this build: must be %s or %s",
				b.Name, strings.Join(known[:last], ", "), known[last])
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
		made, err := backends[b.Name](ingredients{b, d, book, stdout})
		if err != nil {
			return nil, err
		}
		d.exporter.AddBackend(made, pacing(b))
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

// pacing is how points are handed to a backend, by the keys that any may have. A batch is at most half of
// the buffer, so that the other half takes what comes while the first is sent.
func pacing(b config.Backend) exporter.Pacing {
	p := exporter.Pacing{Buffer: b.Int("buffer"), Batch: b.Int("batch"), Interval: b.Seconds("send_interval")}
	if p.Batch > 0 {
		p.Batch = max(1, min(p.Batch, p.Buffer/2))
	}
	return p
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
