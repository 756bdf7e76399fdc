-- Leaf totals by day as ClickHouse holds them, filled by COPY. Writes: one temporary table.

CREATE TEMP TABLE found_day (
    entity_type metrics.entity_type NOT NULL,
    entity_id   bigint NOT NULL,
    metric_type metrics.metric_type NOT NULL,
    day         date NOT NULL,
    total       bigint NOT NULL
);
