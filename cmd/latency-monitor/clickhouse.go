package main

import (
	"fmt"

	"github.com/latency-monitor/latency-monitor/internal/config"
	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/clickhouse"
)

func newClickHouse(i ingredients) (exporter.Backend, error) {
	return clickhouse.New(clickHouseConfig(i.Backend))
}

// checkClickHouse returns what is wrong with the keys of the backend clickhouse, if there is one, beyond
// what each may be by itself. It makes one, which opens nothing.
func checkClickHouse(wanted []config.Backend) error {
	for _, b := range wanted {
		if b.Name != config.BackendClickHouse {
			continue
		}
		if _, err := clickhouse.New(clickHouseConfig(b)); err != nil {
			return fmt.Errorf("metrics backend %q: %w", b.Name, err)
		}
	}
	return nil
}

func clickHouseConfig(b config.Backend) clickhouse.Config {
	c := clickhouse.Config{
		Host: b.Text("host"), Port: b.Int("port"), Protocol: b.Text("protocol"),
		CAFile: b.Text("ca_file"), InsecureSkipVerify: b.Bool("insecure_skip_verify"),
		Username: b.Text("username"), Password: b.Text("password"),
		Database: b.Text("database"), Table: b.Text("table"), Columns: b.Texts("columns"),
		Compression: b.Text("compression"), AsyncInsert: b.Bool("async_insert"),
		CreateTable: b.Bool("create_table"), Cluster: b.Text("cluster"), TTLDays: b.Int("ttl_days"),
	}
	if b.Has("secure") {
		c.Secure = new(b.Bool("secure"))
	}
	return c
}
