-- Ours in ClickHouse, beside the log modelUsage. Safe to repeat.

-- (model, feature, day) -> uses, absolute; the latest version counts. Zero where the log has no use left.
CREATE TABLE IF NOT EXISTS modelUsageDaily
(
    day     Date32,
    modelId String,
    feature LowCardinality(String),
    total   Int64,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(day)
ORDER BY (modelId, feature, day)
SETTINGS index_granularity = 1024;

-- As our other tables: whether it holds a version that Postgres has not given (pipeline/restored.py) is asked by every tick.
ALTER TABLE modelUsageDaily ADD INDEX IF NOT EXISTS version_range version TYPE minmax GRANULARITY 1;
