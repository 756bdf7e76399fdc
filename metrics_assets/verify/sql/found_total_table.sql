-- Totals as ClickHouse holds them, filled by COPY. Writes: one temporary table.

CREATE TEMP TABLE found_total (
    entity_type metrics.entity_type NOT NULL,
    entity_id   bigint NOT NULL,
    metric_type metrics.metric_type NOT NULL,
    total       bigint NOT NULL
);
