-- Models that sum something else than their versions' totals. Reads model_sum, "ModelVersion", leaf_total; writes drifted.
INSERT INTO drifted (entity_type, entity_id)
SELECT DISTINCT 'Model'::metrics.entity_type, model_id
FROM (
    SELECT v."modelId" AS model_id, t.metric_type, sum(t.total)::bigint AS total
    FROM "ModelVersion" v
    JOIN metrics.leaf_total t
      ON t.entity_type = 'ModelVersion' AND t.entity_id = v.id AND t.metric_type IN ({version_metrics})
    WHERE v."modelId" > 0 AND {versions_in_scope}
    GROUP BY 1, 2
) n
FULL JOIN (SELECT * FROM metrics.model_sum s WHERE {sums_in_scope}) s USING (model_id, metric_type)
WHERE coalesce(n.total, 0) <> coalesce(s.total, 0)
