-- Our tables in ClickHouse. Safe to repeat. Statements end with a semicolon at the end of a line.
-- A tick looks up thousands of keys all over a table: with granules of the usual 8192 rows it would read most of it.

-- One row per contribution, the latest version of a key counts. The day is part of the key: a row whose createdAt
-- moves leaves a row of value 0 behind, so no key ever has rows in two partitions, and the contributions of one
-- (metric, day, entity) lie together. Partitions are years: a tick's changes lie on days of all of history, an insert makes
-- a part in every partition that it has rows of, and within a part the day is in the key anyway.
CREATE TABLE IF NOT EXISTS entityMetricEvents
(
    entityType  LowCardinality(String),
    metricType  LowCardinality(String),
    day         Date32,
    entityId    UInt32,
    eventKey    UInt128,
    userId      UInt32,
    metricValue Int64,
    createdAt   DateTime64(3, 'UTC'),
    version     UInt64,
    source      LowCardinality(String),
    INDEX version_range version TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(day)
ORDER BY (entityType, metricType, day, entityId, eventKey)
SETTINGS index_granularity = 256;

-- (entity, metric, day) -> total, absolute; the latest version counts. The day goes before the entity: a tick looks up what
-- it touched, most of it of today, and a window of days is a range.
CREATE TABLE IF NOT EXISTS entityMetricDaily
(
    entityType LowCardinality(String),
    entityId   UInt32,
    metricType LowCardinality(String),
    day        Date32,
    total      Int64,
    version    UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(day)
ORDER BY (entityType, metricType, day, entityId)
SETTINGS index_granularity = 256;

-- (entity, metric) -> total, absolute; the latest version counts.
CREATE TABLE IF NOT EXISTS entityMetricTotals
(
    entityType LowCardinality(String),
    entityId   UInt32,
    metricType LowCardinality(String),
    total      Int64,
    version    UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (entityType, metricType, entityId)
SETTINGS index_granularity = 1024;

-- What one pass of the rollup has to count again, by token. Scratch: rows go after a day.
CREATE TABLE IF NOT EXISTS entityMetricTouched
(
    token      UInt64,
    entityType LowCardinality(String),
    metricType LowCardinality(String),
    day        Date32,
    entityId   UInt32,
    at         DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY (token, entityType, metricType, day, entityId)
TTL at + INTERVAL 1 DAY;

-- Whether a table holds a version that Postgres has not given (pipeline/restored.py) is asked by every tick.
ALTER TABLE entityMetricDaily ADD INDEX IF NOT EXISTS version_range version TYPE minmax GRANULARITY 1;

ALTER TABLE entityMetricTotals ADD INDEX IF NOT EXISTS version_range version TYPE minmax GRANULARITY 1;
