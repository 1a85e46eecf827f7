package main

import (
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/rs/zerolog"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/engine"
	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/cli"
	"github.com/latency-monitor/latency-monitor/internal/exporter/zlog"
	"github.com/latency-monitor/latency-monitor/internal/resolver"
	"github.com/latency-monitor/latency-monitor/internal/selfstats"
)

// backends make the backends of this build from their own keys.
var backends = map[string]func(b config.Backend, log logbook, stdout io.Writer) exporter.Backend{
	config.BackendCLI: func(_ config.Backend, _ logbook, stdout io.Writer) exporter.Backend {
		return cli.New(stdout)
	},
	config.BackendLog: func(b config.Backend, log logbook, _ io.Writer) exporter.Backend {
		level := config.ParseLogLevel(fmt.Sprint(b.Keys["level"]))
		return zlog.New(log.Logger, log.out, levels[level])
	},
}

// checkBackends returns an error that names the first backend that this build has not.
func checkBackends(wanted []config.Backend) error {
	for _, b := range wanted {
		if backends[b.Name] == nil {
			return fmt.Errorf("metrics backend %q is not part of this build: must be %s or %s",
				b.Name, config.BackendCLI, config.BackendLog)
		}
	}
	return nil
}

// assemble wires the parts, in the order in which a sample meets them: engine, exporter, backends.
func assemble(c config.Config, targets []resolver.Target, book logbook, stdout io.Writer) (*daemon, error) {
	log := book.Logger
	e, err := engine.New(engineConfig(c, log))
	if err != nil {
		return nil, err
	}
	d := &daemon{log: log, engine: e, targets: targets}
	d.resolver = &resolver.Resolver{
		Lookup: net.DefaultResolver.LookupNetIP, Interface: resolver.InterfaceIndex,
		Add: e.Add, Missed: d.missed, Log: log,
	}
	d.exporter = exporter.New(exporterConfig(c, log, d.onEvent))
	for _, r := range e.Rings() {
		d.exporter.AddRing(r)
	}
	for _, t := range targets {
		for _, s := range t.Sessions {
			if err := d.exporter.AddSession(s); err != nil {
				return nil, err
			}
		}
	}
	for _, b := range c.Backends {
		d.exporter.AddBackend(backends[b.Name](b, book, stdout), 0)
	}
	d.reporter = &exporter.Reporter{Log: log, Totals: func() selfstats.Totals { return selfstats.Sum(e.Counters()) }, Exporter: d.exporter}
	d.announce(c)
	return d, nil
}

func engineConfig(c config.Config, log zerolog.Logger) engine.Config {
	return engine.Config{
		Mode: engine.Mode(c.Engine.Mode), Name: c.Name, Address: c.Address,
		UDP: c.UDP, TCP: c.TCP, UDPPort: c.UDPPort, TCPPort: c.TCPPort,
		MaxSize: c.MaxSize, MaxSessions: c.MaxSessions, Timeout: c.Timeout,
		Priority: c.Engine.RealtimePriority, CPUs: c.Engine.CPUs, Spin: c.Engine.Spin,
		Transmit: c.Engine.TxTimestamps != config.TxTimestampsOff, RingSize: c.Engine.RingSize,
		Note: func(text string) { log.Warn().Msg(text) },
	}
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

// announce logs what is about to run.
func (d *daemon) announce(c config.Config) {
	count := 0
	for _, t := range d.targets {
		count += len(t.Sessions)
	}
	if c.File == "" {
		d.log.Info().Msgf("no %s in the working directory: server mode, answering probes and sending none",
			config.DefaultFile)
	}
	var listening []string
	if c.UDP {
		listening = append(listening, fmt.Sprintf("udp %s", address(c, c.UDPPort)))
	}
	if c.TCP {
		listening = append(listening, fmt.Sprintf("tcp %s", address(c, c.TCPPort)))
	}
	d.log.Info().
		Str("version", versionText()).
		Str("name", c.Name).
		Str("engine", string(d.engine.Mode())).
		Str("listening", strings.Join(listening, ", ")).
		Int("targets", len(d.targets)).
		Int("sessions", count).
		Msg("started")
}

func address(c config.Config, port uint16) string {
	host := ""
	if c.Address.IsValid() {
		host = c.Address.String()
	}
	return net.JoinHostPort(host, fmt.Sprint(port))
}
