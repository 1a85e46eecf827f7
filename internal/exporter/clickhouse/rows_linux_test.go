package clickhouse

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/serverstest"
)

// recent are points of now, so that a TTL does not take them.
func recent(n int) []exporter.Point {
	points := exportertest.Points(n)
	now := time.Now().UnixNano()
	for i := range points {
		points[i].Time = now + int64(i)
	}
	return points
}

func compare(t *testing.T, got []exportertest.Got, want []exporter.Point) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Metric != w.Series.Name || g.Time != w.Time || g.Value != w.Value || !slices.Equal(g.Tags, w.Series.Tags) {
			t.Fatalf("row %d is %+v, want %s", i, g, w.AppendJSON(nil))
		}
	}
}

func TestTableIsCreatedAndHoldsEverything(t *testing.T) {
	p := peers[0]
	server := p.start(t)
	for _, test := range []struct {
		name   string
		change func(*Config)
	}{
		{"in the user's database", func(*Config) {}},
		{"in another database", func(c *Config) { c.Table = "other.metrics" }},
		{"without a TTL", func(c *Config) { c.TTLDays = 0 }},
		{"with asynchronous inserts", func(c *Config) { c.AsyncInsert = true }},
		{"without compression", func(c *Config) { c.Compression = None }},
	} {
		t.Run(test.name, func(t *testing.T) {
			server.Query(t, "DROP TABLE IF EXISTS metrics")
			server.Query(t, "DROP DATABASE IF EXISTS other")
			server.Query(t, "CREATE DATABASE other")
			c := p.config(t, server)
			c.CreateTable, c.TTLDays = true, 30
			test.change(&c)
			points := recent(1000)
			b := mustNew(t, c)
			if err := b.Publish(t.Context(), points); err != nil {
				t.Fatal(err)
			}
			got := parse(t, strings.TrimSpace(server.Query(t, "SELECT MetricName AS metric, toString("+p.time+
				") AS time, toString(MetricValue) AS value, "+p.tags+" AS tags FROM "+c.Table+
				" ORDER BY Timestamp FORMAT JSONEachRow")))
			compare(t, got, points)
			where := " FROM " + c.Table + " WHERE Source = 'a' AND Target = 'c' AND MetricName = 'udp.wan.owd'"
			if n := number(t, server, "SELECT count()"+where); n != 250 {
				t.Errorf("%d rows by source and target, want 250", n)
			}
			if plan := server.Query(t, "EXPLAIN indexes = 1 SELECT *"+where+" AND Timestamp > now() - 60"); !strings.Contains(plan, "Target") {
				t.Errorf("the index has no part in finding a path:\n%s", plan)
			}
		})
	}
}

func TestTableThatIsDroppedIsCreatedAgain(t *testing.T) {
	p := peers[0]
	server := p.start(t)
	c := p.config(t, server)
	c.CreateTable = true
	line := startPipeline(t, c, exporter.Pacing{}, 1)
	line.push(0)
	line.await("a point sent", func() bool { return line.counters().Sent == 1 })
	server.Query(t, "DROP TABLE metrics")
	line.push(0)
	line.await("a point in the new table", func() bool { return line.counters().Sent == 2 })
	if n := number(t, server, "SELECT count() FROM metrics"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	line.finish()
}

func TestTableThatCanNotBeCreatedIsTold(t *testing.T) {
	p := peers[1] // has no Map
	server := p.start(t)
	c := p.config(t, server)
	c.CreateTable = true
	line := startPipeline(t, c, exporter.Pacing{}, 1)
	line.push(0)
	line.awaitLog("create table: ClickHouse says:")
	p.create(t, server, p.engine) // somebody makes one by hand
}

// The table of the reference implementation has no room for a negative value.
func TestNegativeValuesAreRefusedAloneByTheReferencesTable(t *testing.T) {
	columns := map[string]string{
		HTTP: "MetricName String, Timestamp UInt64, MetricValue UInt64, Tags Map(LowCardinality(String), String), " +
			"InsertedAt DateTime64(9) CODEC(Delta, ZSTD), RetentionDays UInt8 DEFAULT 30",
		Native: "MetricName String, Timestamp UInt64, MetricValue UInt64, Tags Array(String), " +
			"InsertedAt DateTime, RetentionDays UInt8 DEFAULT 30",
	}
	forPeers(t, func(t *testing.T, p peer, server *serverstest.ClickHouseServer) {
		server.Query(t, "CREATE TABLE metrics ("+columns[p.protocol]+") ENGINE = MergeTree ORDER BY MetricName")
		points := recent(600)
		want := slices.DeleteFunc(slices.Clone(points), func(p exporter.Point) bool { return p.Value < 0 })
		err := mustNew(t, p.config(t, server)).Publish(t.Context(), points)
		rejected, ok := errors.AsType[*exporter.RejectedError](err)
		if !ok || rejected.Points != len(points)-len(want) {
			t.Fatalf("Publish = %v, want %d points refused", err, len(points)-len(want))
		}
		p.time = "Timestamp"
		compare(t, p.received(t, server), want)
		if n := number(t, server, "SELECT count() FROM metrics WHERE RetentionDays = 30 AND InsertedAt > now() - 60"); n != len(want) {
			t.Errorf("%d rows with their InsertedAt and defaults, want %d", n, len(want))
		}
	})
}

func TestRowsThatTheServerRefusesAreFound(t *testing.T) {
	p := peers[0]
	server := p.start(t)
	server.Query(t, "CREATE TABLE metrics ("+p.columns+", CONSTRAINT small CHECK MetricValue < 1000000000) ENGINE = "+p.engine)
	points := recent(10_000)
	for i := range points {
		points[i].Value = int64(i)
	}
	points[17].Value, points[8000].Value = 2_000_000_000, 3_000_000_000
	err := mustNew(t, p.config(t, server)).Publish(t.Context(), points)
	rejected, ok := errors.AsType[*exporter.RejectedError](err)
	if !ok || rejected.Points != 2 || !strings.Contains(err.Error(), "(code 469)") {
		t.Fatalf("Publish = %v, want 2 points refused by the constraint", err)
	}
	compare(t, p.received(t, server), slices.DeleteFunc(points, func(p exporter.Point) bool { return p.Value >= 1_000_000_000 }))
}

// Both kinds of InsertedAt that the server fills in.
func TestInsertedAtMayBeTheServersOwn(t *testing.T) {
	forPeers(t, func(t *testing.T, p peer, server *serverstest.ClickHouseServer) {
		for _, kind := range []string{"MATERIALIZED", "DEFAULT"} {
			columns := strings.Split(p.columns, ", InsertedAt")[0] + ", InsertedAt DateTime " + kind + " now()"
			server.Query(t, "DROP TABLE IF EXISTS metrics")
			server.Query(t, "CREATE TABLE metrics ("+columns+") ENGINE = MergeTree ORDER BY MetricName")
			if err := mustNew(t, p.config(t, server)).Publish(t.Context(), recent(10)); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			if n := number(t, server, "SELECT count() FROM metrics WHERE InsertedAt > now() - 60"); n != 10 {
				t.Errorf("%s: %d rows with the time of insertion, want 10", kind, n)
			}
		}
	})
}

// Equal points that come in two batches, as of a long run of lost probes, are no repetition.
func TestEqualBatchesAreNotTakenForOne(t *testing.T) {
	p := peers[0]
	server := p.start(t)
	p.create(t, server, p.engine)
	b := mustNew(t, p.config(t, server))
	points := slices.Repeat(recent(1), 100)
	for range 3 {
		if err := b.Publish(t.Context(), points); err != nil {
			t.Fatal(err)
		}
	}
	if n := number(t, server, "SELECT count() FROM metrics"); n != 300 {
		t.Errorf("%d rows, want 300", n)
	}
}
