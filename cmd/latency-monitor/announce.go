package main

import (
	"fmt"
	"net"
	"strings"

	"github.com/latency-monitor/latency-monitor/internal/config"
)

// announce logs what runs.
func (d *daemon) announce() {
	c := d.config
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
		if c.Reflector.StampPort != 0 {
			listening = append(listening, fmt.Sprintf("udp %s", address(c, c.Reflector.StampPort)))
		}
	}
	if c.TCP {
		listening = append(listening, fmt.Sprintf("tcp %s", address(c, c.TCPPort)))
	}
	d.log.Info().
		Str("version", versionText()).
		Str("name", c.Name).
		Str("engine", string(d.engine.Mode())).
		Bool("isolated", d.isolated).
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
