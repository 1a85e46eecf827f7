CREATE TABLE IF NOT EXISTS `net`.`metrics`
(
    `name` LowCardinality(String) CODEC(ZSTD(1)),
    `timestamp` DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    `value` Int64 CODEC(T64, ZSTD(1)),
    `tags` Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    `inserted_at` DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    Source LowCardinality(String) MATERIALIZED `tags`['source'] CODEC(ZSTD(1)),
    Target LowCardinality(String) MATERIALIZED `tags`['target'] CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(`timestamp`)
ORDER BY (`name`, Source, Target, `timestamp`)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;
