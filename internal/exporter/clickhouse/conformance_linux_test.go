package clickhouse

import (
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/serverstest"
)

func TestConformance(t *testing.T) {
	forPeers(t, func(t *testing.T, p peer, server *serverstest.ClickHouseServer) {
		exportertest.Run(t, func(t *testing.T) exportertest.Subject {
			p.create(t, server, p.engine)
			return exportertest.Subject{
				Backend:  mustNew(t, p.config(t, server)),
				Received: func(int) []exportertest.Got { return p.received(t, server) },
				Outage:   &exportertest.Outage{Break: server.Kill, Stall: server.Pause, Mend: server.Restart},
			}
		})
	})
}
