package clickhouse

import (
	"fmt"
	"strings"
)

// localSuffix ends the name of the table that has the rows, where the other one only distributes.
const localSuffix = "_local"

// quote quotes an identifier. What it can't hold, the rules of the configuration refuse.
func quote(identifier string) string { return "`" + identifier + "`" }

// qualified is the name of a table in statements.
func (c *Config) qualified(table string) string {
	if c.Database == "" {
		return quote(table)
	}
	return quote(c.Database) + "." + quote(table)
}

// Statements are those that create the table.
func (c *Config) Statements() []string {
	if c.Cluster == "" {
		return []string{c.rowsTable(c.Table, "", "MergeTree", ", non_replicated_deduplication_window = 1000")}
	}
	onCluster := " ON CLUSTER " + quote(c.Cluster)
	local := c.Table + localSuffix
	database := "currentDatabase()"
	if c.Database != "" {
		database = "'" + c.Database + "'"
	}
	return []string{
		c.rowsTable(local, onCluster, "ReplicatedMergeTree", ""),
		fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s AS %s\nENGINE = Distributed('%s', %s, '%s', %s)",
			c.qualified(c.Table), onCluster, c.qualified(local), c.Cluster, database, local, c.shardingKey()),
	}
}

// shardingKey keeps a path on one shard, so that its percentiles are worked out there. It is made of what
// is inserted: the table that distributes has no Source and Target when it needs them.
func (c *Config) shardingKey() string {
	return fmt.Sprintf("cityHash64(%[1]s, %[2]s['source'], %[2]s['target'])",
		quote(c.Columns[nameColumn]), quote(c.Columns[tagsColumn]))
}

// rowsTable creates the table that has the rows. Source and Target are columns of their own, since no
// index helps to find what is in a Map; nobody inserts them.
func (c *Config) rowsTable(table, onCluster, engine, settings string) string {
	names := make([]any, 0, columnCount)
	for _, name := range c.Columns {
		names = append(names, quote(name))
	}
	var ttl string
	if c.TTLDays > 0 {
		ttl = fmt.Sprintf("TTL toDateTime(%s) + INTERVAL %d DAY\n", names[timeColumn], c.TTLDays)
	}
	columns := fmt.Sprintf(`    %[1]s LowCardinality(String) CODEC(ZSTD(1)),
    %[2]s DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    %[3]s Int64 CODEC(T64, ZSTD(1)),
    %[4]s Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    %[5]s DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    Source LowCardinality(String) MATERIALIZED %[4]s['source'] CODEC(ZSTD(1)),
    Target LowCardinality(String) MATERIALIZED %[4]s['target'] CODEC(ZSTD(1))`, names...)
	return strings.TrimSpace(fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s%s
(
%s
)
ENGINE = %s
PARTITION BY toDate(%[5]s)
ORDER BY (%[6]s, Source, Target, %[5]s)
%[7]sSETTINGS ttl_only_drop_parts = 1%[8]s`,
		c.qualified(table), onCluster, columns, engine, names[timeColumn], names[nameColumn], ttl, settings))
}
