-- Totals of a log's metric as ClickHouse counted them: absolute. Reads log_total (entity_id, total); writes leaf_total,
-- moved.
CREATE TEMP TABLE moved ON COMMIT DROP AS
WITH written AS (
    SELECT n.entity_id, n.total - coalesce(t.total, 0) AS difference
    FROM log_total n
    LEFT JOIN metrics.leaf_total t
           ON t.entity_type = {entity} AND t.entity_id = n.entity_id AND t.metric_type = {metric}
    WHERE n.total <> coalesce(t.total, 0)
)
SELECT {entity} AS entity_type, entity_id, {metric} AS metric_type, difference FROM written;

INSERT INTO metrics.leaf_total AS t (entity_type, entity_id, metric_type, total)
SELECT {entity}, n.entity_id, {metric}, n.total
FROM log_total n
JOIN moved USING (entity_id)
ORDER BY n.entity_id
ON CONFLICT (entity_type, entity_id, metric_type) DO UPDATE SET total = excluded.total;
