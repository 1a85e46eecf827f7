CREATE TABLE IF NOT EXISTS `net`.`metrics_local` ON CLUSTER `fleet`
(
    `MetricName` LowCardinality(String) CODEC(ZSTD(1)),
    `Timestamp` DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `MetricValue` Int64 CODEC(T64, ZSTD(1)),
    `Tags` Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    `InsertedAt` DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    Source LowCardinality(String) MATERIALIZED `Tags`['source'] CODEC(ZSTD(1)),
    Target LowCardinality(String) MATERIALIZED `Tags`['target'] CODEC(ZSTD(1))
)
ENGINE = ReplicatedMergeTree
PARTITION BY toDate(`Timestamp`)
ORDER BY (`MetricName`, Source, Target, `Timestamp`)
TTL toDateTime(`Timestamp`) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS `net`.`metrics` ON CLUSTER `fleet` AS `net`.`metrics_local`
ENGINE = Distributed('fleet', 'net', 'metrics_local', cityHash64(`MetricName`, `Tags`['source'], `Tags`['target']));
