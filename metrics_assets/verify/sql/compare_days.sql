-- A store that keeps leaves by day (the rollup, or the sums of contributions) against the recount, both directions;
-- a missing row reads as zero. Each side has one row per (entity, metric, day); grouping them together costs a
-- third of the full join that Postgres plans here, which sorts both.
-- Reads: recount_day, found_day. Writes: difference.

INSERT INTO difference (set_name, store, entity_type, entity_id, detail, counter, expected, found)
SELECT
    CASE metric_type WHEN 'Collection' THEN 'model_collection_metrics' ELSE 'model_metrics' END,
    {store},
    entity_type, entity_id, day::text,
    metric_type::text,
    coalesce(max(expected), 0)::text, coalesce(max(found), 0)::text
FROM (
    SELECT entity_type, entity_id, metric_type, day, total AS expected, NULL::bigint AS found
    FROM recount_day
    WHERE {log_metrics} OR metric_type NOT IN ('Download', 'Generation')
    UNION ALL
    SELECT entity_type, entity_id, metric_type, day, NULL, total
    FROM found_day
) AS side
GROUP BY entity_type, entity_id, metric_type, day
HAVING coalesce(max(expected), 0) <> coalesce(max(found), 0);
