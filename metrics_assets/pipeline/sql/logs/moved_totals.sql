-- Totals of a log's metric become what ClickHouse counted, whatever they were; when it counted every day, those that it does
-- not know become zero. Reads log_total, leaf_total; writes moved.
CREATE TEMP TABLE moved ON COMMIT DROP AS
SELECT {entity} AS entity_type, entity_id, {metric} AS metric_type,
       coalesce(n.total, 0) - coalesce(t.total, 0) AS difference
FROM log_total n
FULL JOIN (
    SELECT entity_id, total FROM metrics.leaf_total
    WHERE entity_type = {entity} AND metric_type = {metric} AND {counted}
) t USING (entity_id)
WHERE coalesce(n.total, 0) <> coalesce(t.total, 0)
