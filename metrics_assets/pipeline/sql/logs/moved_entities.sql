-- Totals of some entities become what all of their days were counted as, whatever they were. Reads log_day, leaf_total;
-- writes moved.
CREATE TEMP TABLE moved ON COMMIT DROP AS
SELECT {entity} AS entity_type, id AS entity_id, {metric} AS metric_type,
       coalesce(n.total, 0) - coalesce(t.total, 0) AS difference
FROM unnest({entities}::integer[]) id
LEFT JOIN (SELECT entity_id, sum(total)::bigint AS total FROM log_day GROUP BY entity_id) n ON n.entity_id = id
LEFT JOIN metrics.leaf_total t ON t.entity_type = {entity} AND t.entity_id = id AND t.metric_type = {metric}
WHERE coalesce(n.total, 0) <> coalesce(t.total, 0)
