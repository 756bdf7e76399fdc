-- Leaf totals that differ from the recount become equal to it. Reads recounted; writes leaf_total, moved.
CREATE TEMP TABLE wrong_leaf ON COMMIT DROP AS
SELECT entity_type, entity_id, metric_type, coalesce(r.total, 0) AS total, coalesce(t.total, 0) AS was
FROM recounted r
FULL JOIN (
    SELECT t.* FROM metrics.leaf_total t
    WHERE (t.entity_type, t.metric_type) IN (VALUES {metrics}) AND {in_scope}
) t USING (entity_type, entity_id, metric_type)
WHERE coalesce(r.total, 0) <> coalesce(t.total, 0);

INSERT INTO metrics.leaf_total AS t (entity_type, entity_id, metric_type, total)
SELECT entity_type, entity_id, metric_type, total FROM wrong_leaf ORDER BY 1, 2, 3
ON CONFLICT (entity_type, entity_id, metric_type) DO UPDATE SET total = excluded.total;

INSERT INTO moved (entity_type, entity_id, metric_type, difference)
SELECT entity_type, entity_id, metric_type, total - was FROM wrong_leaf;
