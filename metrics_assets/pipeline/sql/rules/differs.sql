-- Sampled totals that differ from their recount in this snapshot. Reads recounted, leaf_total.
SELECT entity_id, metric_type, coalesce(t.total, 0) AS stored, coalesce(r.total, 0) AS recounted
FROM (SELECT * FROM recounted WHERE entity_type = {entity} AND metric_type = ANY ({metrics}::metrics.metric_type[])) r
FULL JOIN (
    SELECT t.* FROM metrics.leaf_total t
    WHERE t.entity_type = {entity} AND t.entity_id = ANY ({ids}::integer[])
      AND t.metric_type = ANY ({metrics}::metrics.metric_type[])
) t USING (entity_type, entity_id, metric_type)
WHERE coalesce(r.total, 0) <> coalesce(t.total, 0)
