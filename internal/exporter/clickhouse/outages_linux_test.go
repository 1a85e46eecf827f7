package clickhouse

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/serverstest"
)

const series = 10

func TestServerThatIsDownAtTheStartGetsEverythingLater(t *testing.T) {
	t.Parallel()
	forPeers(t, func(t *testing.T, p peer, server *serverstest.ClickHouseServer) {
		t.Parallel()
		p.create(t, server, p.engine)
		server.Stop()
		line := startPipeline(t, p.config(t, server), exporter.Pacing{}, series)
		line.produce(series, 1000, time.Second)
		line.awaitLog("connection refused")
		server.Restart()
		line.awaitLog("works again")
		c := line.finish()
		if got := number(t, server, "SELECT count() FROM metrics"); int(c.Sent) != line.produced || got != line.produced {
			t.Errorf("%d rows, counters %+v, want all %d", got, c, line.produced)
		}
	})
}

// A server that is killed may have taken a block and not said so. It is sent again, and the modern
// table drops it; the old one can't, so there the different rows are counted.
func TestServerThatIsKilledUnderLoadLosesOnlyWhatIsCounted(t *testing.T) {
	t.Parallel()
	forPeers(t, func(t *testing.T, p peer, server *serverstest.ClickHouseServer) {
		t.Parallel()
		p.create(t, server, p.engine)
		pacing := exporter.Pacing{Buffer: 30_000, Batch: 5000, Interval: 200 * time.Millisecond}
		line := startPipeline(t, p.config(t, server), pacing, series)
		line.produce(series, 1000, time.Second)
		for range 3 {
			server.Kill()
			line.produce(series, 1000, 500*time.Millisecond)
			server.Restart()
			line.produce(series, 1000, time.Second)
		}
		server.Kill() // for so long that the buffer overflows
		line.produce(series, 1000, 5*time.Second)
		server.Restart()
		line.await("nothing queued", func() bool { return line.counters().Queued == 0 })
		line.produce(series, 1000, time.Second)

		c := line.finish()
		received := number(t, server, "SELECT uniqExact(MetricValue) FROM metrics")
		twice := number(t, server, "SELECT count() FROM metrics") - received
		t.Logf("produced %d: %d received and %d dropped; %d received twice; %+v", line.produced, received, c.Dropped, twice, c)
		if received != int(c.Sent) || c.Failed != 0 || c.Dropped == 0 || received+int(c.Dropped) != line.produced {
			t.Errorf("%d received, counters %+v, want received + dropped = %d", received, c, line.produced)
		}
		if twice != 0 && p.protocol == HTTP {
			t.Errorf("%d rows twice, want none in a table that drops repeated blocks", twice)
		}
	})
}

func TestWrongPasswordAndWrongTableAreToldAndKeepThePoints(t *testing.T) {
	t.Parallel()
	forPeers(t, func(t *testing.T, p peer, server *serverstest.ClickHouseServer) {
		t.Parallel()
		t.Run("password", func(t *testing.T) {
			c := p.config(t, server)
			c.Password = "not-the-password"
			line := startPipeline(t, c, exporter.Pacing{}, 1)
			line.push(0)
			line.awaitLog("backend refuses to work")
			if log := line.log.String(); !strings.Contains(log, "; look at username and password") || strings.Contains(log, c.Password) {
				t.Errorf("log:\n%s\nwant it to tell of the password, but not which", log)
			}
			if c := line.counters(); c.Queued != 1 || c.Failed != 0 {
				t.Errorf("counters = %+v, want the point queued", c)
			}
		})
		t.Run("table", func(t *testing.T) {
			server.Query(t, "DROP TABLE IF EXISTS metrics")
			line := startPipeline(t, p.config(t, server), exporter.Pacing{}, 1)
			line.push(0)
			line.awaitLog("backend refuses to work")
			if log := line.log.String(); !strings.Contains(log, "(code 60); create it, or set create_table = true") {
				t.Errorf("log:\n%s\nwant it to tell of the table", log)
			}
			p.create(t, server, p.engine)
			line.awaitLog("works again")
			if got := len(p.received(t, server)); got != 1 {
				t.Errorf("%d rows after the table was created, want 1", got)
			}
			line.finish()
		})
		t.Run("types", func(t *testing.T) {
			server.Query(t, "DROP TABLE IF EXISTS metrics")
			server.Query(t, "CREATE TABLE metrics (MetricName String, Timestamp Int64, MetricValue Int8, "+
				"Tags Array(String), InsertedAt DateTime) ENGINE = MergeTree ORDER BY Timestamp")
			line := startPipeline(t, p.config(t, server), exporter.Pacing{}, 1)
			line.push(0)
			line.awaitLog("column MetricValue is Int8: must be Int64, UInt64 or Float64")
			p.create(t, server, p.engine)
			line.awaitLog("works again")
			line.finish()
		})
		t.Run("what is the matter changes", func(t *testing.T) {
			server.Query(t, "DROP TABLE IF EXISTS metrics")
			server.Stop()
			line := startPipeline(t, p.config(t, server), exporter.Pacing{}, 1)
			line.push(0)
			line.awaitLog("connection refused")
			server.Restart()
			line.awaitLog("(code 60)")
			p.create(t, server, p.engine)
			line.awaitLog("works again")
			line.finish()
		})
	})
}

// logged is how many entries of the log have this message.
func logged(t *testing.T, log, message string) (n int) {
	t.Helper()
	for line := range strings.Lines(log) {
		var entry struct{ Message string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(entry.Message, message) {
			n++
		}
	}
	return n
}

func TestOutageIsLoggedOnceAndItsEndOnce(t *testing.T) {
	t.Parallel()
	p := peers[1]
	server := p.start(t)
	p.create(t, server, p.engine)
	line := startPipeline(t, p.config(t, server), exporter.Pacing{}, 1)
	line.push(0)
	line.await("a point sent", func() bool { return line.counters().Sent == 1 })
	server.Stop()
	line.push(0)
	line.await("3 retries", func() bool { return line.counters().Retries >= 3 })
	server.Restart()
	line.awaitLog("works again")
	line.finish()
	if away, again := logged(t, line.log.String(), "backend is away"), logged(t, line.log.String(), "backend works again"); away != 1 || again != 1 {
		t.Errorf("log:\n%s\nwant the outage once and its end once", line.log)
	}
}
