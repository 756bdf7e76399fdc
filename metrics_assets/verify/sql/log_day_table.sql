-- Log counters of versions by UTC day, filled from ClickHouse. Writes: one temporary table.

CREATE TEMP TABLE log_day (
    metric_type metrics.metric_type NOT NULL,
    version_id  bigint NOT NULL,
    day         date NOT NULL,
    total       bigint NOT NULL
);
