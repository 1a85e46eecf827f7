package main

import (
	"github.com/latency-monitor/latency-monitor/internal/exporter"
	"github.com/latency-monitor/latency-monitor/internal/exporter/clickhouse"
)

func newClickHouse(i ingredients) (exporter.Backend, error) {
	return clickhouse.New(clickhouse.Config{
		Host: i.Text("host"), Port: i.Int("port"), Protocol: i.Text("protocol"), Secure: i.Bool("secure"),
		CAFile: i.Text("ca_file"), InsecureSkipVerify: i.Bool("insecure_skip_verify"),
		Username: i.Text("username"), Password: i.Text("password"),
		Database: i.Text("database"), Table: i.Text("table"), Columns: i.Texts("columns"),
		Compression: i.Text("compression"), AsyncInsert: i.Bool("async_insert"),
		CreateTable: i.Bool("create_table"), Cluster: i.Text("cluster"), TTLDays: i.Int("ttl_days"),
	})
}
