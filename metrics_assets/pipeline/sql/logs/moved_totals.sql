-- Totals of a log's metric become what ClickHouse counted, whatever they were. Reads log_total, leaf_total; writes moved.
CREATE TEMP TABLE moved ON COMMIT DROP AS
SELECT {entity} AS entity_type, n.entity_id, {metric} AS metric_type, n.total - coalesce(t.total, 0) AS difference
FROM log_total n
LEFT JOIN metrics.leaf_total t
       ON t.entity_type = {entity} AND t.entity_id = n.entity_id AND t.metric_type = {metric}
WHERE n.total <> coalesce(t.total, 0)
