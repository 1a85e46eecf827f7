CREATE TABLE IF NOT EXISTS `metrics`
(
    `MetricName` LowCardinality(String) CODEC(ZSTD(1)),
    `Timestamp` DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `MetricValue` Int64 CODEC(T64, ZSTD(1)),
    `Tags` Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    `InsertedAt` DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    Source LowCardinality(String) MATERIALIZED `Tags`['source'] CODEC(ZSTD(1)),
    Target LowCardinality(String) MATERIALIZED `Tags`['target'] CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(`Timestamp`)
ORDER BY (`MetricName`, Source, Target, `Timestamp`)
TTL toDateTime(`Timestamp`) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;
