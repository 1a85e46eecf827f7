package clickhouse

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/latency-monitor/latency-monitor/internal/exporter/exportertest"
	"github.com/latency-monitor/latency-monitor/internal/serverstest"
)

// peer is a kind of server, as one protocol reaches it.
type peer struct {
	name     string
	start    func(t testing.TB) *serverstest.ClickHouseServer
	protocol string
	columns  string // of a table in which everything can be
	engine   string // of a table that drops a block that it has, where there is one without others
	time     string // the expression that gives Timestamp in nanoseconds
	tags     string // the expression that gives Tags as an array
}

var peers = []peer{
	{
		name: "ClickHouse 26.7 over HTTP", start: serverstest.ClickHouseModern, protocol: HTTP,
		columns: "MetricName LowCardinality(String), Timestamp DateTime64(9, 'UTC'), MetricValue Int64, " +
			"Tags Map(LowCardinality(String), String), InsertedAt DateTime64(6, 'UTC')",
		engine: "MergeTree ORDER BY (MetricName, Timestamp) SETTINGS non_replicated_deduplication_window = 1000",
		time:   "toUnixTimestamp64Nano(Timestamp)",
		tags:   "arrayMap((k, v) -> if(v = '', k, concat(k, ':', v)), mapKeys(Tags), mapValues(Tags))",
	}, {
		name: "ClickHouse 18.16 over the native protocol", start: serverstest.ClickHouseOld, protocol: Native,
		columns: "MetricName String, Timestamp Int64, MetricValue Int64, Tags Array(String), InsertedAt DateTime",
		engine:  "MergeTree ORDER BY (MetricName, Timestamp)",
		time:    "Timestamp", tags: "Tags",
	},
}

// forPeers runs a test with each kind of server.
func forPeers(t *testing.T, test func(t *testing.T, p peer, server *serverstest.ClickHouseServer)) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) { test(t, p, p.start(t)) })
	}
}

// config reaches the server's table metrics.
func (p peer) config(t *testing.T, server *serverstest.ClickHouseServer) Config {
	t.Helper()
	addr := server.Addr
	compression := GZIP // LZ4 is what the modern one, being no real server, does not understand
	if p.protocol == Native {
		addr, compression = server.Native, LZ4
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Host: host, Protocol: p.protocol, Username: serverstest.User, Password: serverstest.Password, Table: "metrics",
		Compression: compression, Columns: []string{"MetricName", "Timestamp", "MetricValue", "Tags", "InsertedAt"},
	}
	if c.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	return c
}

// create makes the table metrics, empty.
func (p peer) create(t testing.TB, server *serverstest.ClickHouseServer, engine string) {
	t.Helper()
	server.Query(t, "DROP TABLE IF EXISTS metrics")
	server.Query(t, fmt.Sprintf("CREATE TABLE metrics (%s) ENGINE = %s", p.columns, engine))
}

// received are the rows of the table. No table tells in which order they came; times and values of the
// tests rise.
func (p peer) received(t testing.TB, server *serverstest.ClickHouseServer) []exportertest.Got {
	t.Helper()
	return parse(t, server.Query(t, fmt.Sprintf("SELECT MetricName AS metric, toString(%s) AS time, "+
		"toString(MetricValue) AS value, %s AS tags FROM metrics ORDER BY Timestamp, MetricValue FORMAT JSONEachRow", p.time, p.tags)))
}

func parse(t testing.TB, lines string) []exportertest.Got {
	t.Helper()
	var all []exportertest.Got
	for line := range strings.Lines(lines) {
		var row struct {
			Metric string
			Tags   []string
			Time   int64 `json:",string"`
			Value  int64 `json:",string"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("row %q: %v", line, err)
		}
		all = append(all, exportertest.Got(row))
	}
	return all
}

func mustNew(t testing.TB, c Config) *Backend {
	t.Helper()
	b, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(t.Context()) })
	return b
}

func number(t testing.TB, server *serverstest.ClickHouseServer, query string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(server.Query(t, query)))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}
