package main

import (
	"errors"
	"io"
	"net/netip"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/cli"
	"github.com/latency-monitor/latency-monitor/internal/exporter/datadog"
	"github.com/latency-monitor/latency-monitor/internal/exporter/zeromq"
	"github.com/latency-monitor/latency-monitor/internal/exporter/zlog"
	"github.com/latency-monitor/latency-monitor/pkg/latencymonitor"
)

// ingredients is what a backend is made of.
type ingredients struct {
	config.Backend
	daemon *daemon // so far: without backends
	log    logbook
	stdout io.Writer
}

// backends make the backends. What they need of the system, such as a port, they take at
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

// assemble makes the monitor, with its sockets open, and its backends.
func assemble(c config.Config, book logbook, stdout io.Writer) (*daemon, error) {
	d := &daemon{log: book.Logger, config: c}
	var err error
	if d.monitor, err = latencymonitor.New(monitorOptions(c, book.slog())); err != nil {
		return nil, err
	}
	for _, b := range c.Backends {
		made, err := backends[b.Name](ingredients{b, d, book, stdout})
		if err == nil {
			err = d.monitor.AddBackend(made, pacing(b))
		}
		if err != nil {
			return nil, errors.Join(err, d.monitor.Close())
		}
	}
	return d, nil
}

// pacing is how points are handed to a backend, by the keys that any may have.
func pacing(b config.Backend) exporter.Pacing {
	return exporter.Pacing{Buffer: b.Int("buffer"), Batch: b.Int("batch"), Interval: b.Seconds("send_interval")}
}
