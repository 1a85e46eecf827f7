package clickhouse

import (
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/serverstest"
)

func TestLoad(t *testing.T) {
	for _, test := range []struct {
		name         string
		series, rate int // points of each a second
		duration     time.Duration
	}{
		{"1 kHz of 10 series", 10, 1000, time.Minute},
		{"50,000 points a second", 50, 1000, 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			if testing.Short() && test.duration >= time.Minute {
				t.Skip("needs to run without -short: takes a minute")
			}
			forPeers(t, func(t *testing.T, p peer, server *serverstest.ClickHouseServer) {
				if test.duration >= time.Minute {
					t.Parallel()
				}
				p.create(t, server, p.engine)
				// The defaults, but for a buffer that outlasts what else this machine may do.
				pacing := exporter.Pacing{Buffer: 1_000_000, Batch: 20_000, Interval: 30 * time.Second}
				line := startPipeline(t, p.config(t, server), pacing, test.series)
				began := time.Now()
				line.produce(test.series, test.rate, test.duration)
				produced := time.Since(began)
				// The end has 5 s for what is left, which may be less than a busy machine needs.
				line.await("all but the last batch", func() bool {
					return number(t, server, "SELECT count() FROM metrics") > line.produced-pacing.Batch
				})
				c := line.finish()
				rows := number(t, server, "SELECT uniqExact(MetricValue) FROM metrics")
				all := number(t, server, "SELECT count() FROM metrics")
				t.Logf("%d points in %v, the last sent %v later; %+v", line.produced, produced, time.Since(began)-produced, c)
				if rows != line.produced || all != rows || int(c.Sent) != rows {
					t.Errorf("%d rows, %d different, counters %+v, want all %d once", all, rows, c, line.produced)
				}
			})
		})
	}
}
