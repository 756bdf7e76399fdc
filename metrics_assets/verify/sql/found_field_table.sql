-- Hash fields as Redis holds them, filled by COPY; a hash without fields of ours still has its `version`.
-- Writes: one temporary table.

CREATE TEMP TABLE found_field (
    entity_type metrics.entity_type NOT NULL,
    entity_id   bigint NOT NULL,
    field       text NOT NULL,
    value       text NOT NULL
);
