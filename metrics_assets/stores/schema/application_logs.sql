-- The application's ClickHouse logs, for local use and tests only: in production they exist and belong to the application.
-- Safe to repeat. Statements are separated by a semicolon at the end of a line.

CREATE TABLE IF NOT EXISTS modelVersionEvents
(
    type           LowCardinality(String),
    time           DateTime('UTC'),
    userId         Int32,
    modelId        Int32,
    modelVersionId Int32,
    ip             String
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (time, type, modelId, modelVersionId);

CREATE DATABASE IF NOT EXISTS orchestration;

CREATE TABLE IF NOT EXISTS orchestration.jobs
(
    jobId         String,
    userId        Int32,
    jobType       LowCardinality(String),
    createdAt     DateTime64(3, 'UTC'),
    resourcesUsed Array(Int32)
)
ENGINE = MergeTree
ORDER BY createdAt;

CREATE TABLE IF NOT EXISTS modelUsage
(
    eventId   UUID,
    modelId   String,
    userId    Int32,
    feature   LowCardinality(String),
    timestamp DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (timestamp, modelId);
