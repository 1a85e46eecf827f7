package main

import (
	"fmt"
	"math/bits"
	"net"
	"strings"

	"github.com/latency-monitor/latency-monitor/internal/config"
)

// announce logs what runs.
func (d *daemon) announce() {
	c, running := d.config, d.monitor.Stats()
	sessions := 0
	for _, t := range c.Targets {
		sessions += bits.OnesCount8(uint8(transports(t)))
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
		Str("engine", string(running.Engine)).
		Bool("isolated", running.Isolated).
		Str("listening", strings.Join(listening, ", ")).
		Int("targets", len(c.Targets)).
		Int("sessions", sessions).
		Msg("started")
}

func address(c config.Config, port uint16) string {
	host := ""
	if c.Address.IsValid() {
		host = c.Address.String()
	}
	return net.JoinHostPort(host, fmt.Sprint(port))
}
