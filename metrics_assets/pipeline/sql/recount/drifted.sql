-- Entities whose stored totals differ from the recount; a change that is not drained yet shows here too.
-- Reads recounted, leaf_total; writes drifted.
INSERT INTO drifted (entity_type, entity_id)
SELECT DISTINCT entity_type, entity_id
FROM recounted r
FULL JOIN (
    SELECT t.* FROM metrics.leaf_total t
    WHERE (t.entity_type, t.metric_type) IN (VALUES {metrics}) AND {in_scope}
) t USING (entity_type, entity_id, metric_type)
WHERE coalesce(r.total, 0) <> coalesce(t.total, 0)
