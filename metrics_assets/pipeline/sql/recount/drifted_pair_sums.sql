-- Models with a pair that sums something else than its versions' totals. Reads base_model_total, "ModelVersion", leaf_total;
-- writes drifted.
INSERT INTO drifted (entity_type, entity_id)
SELECT DISTINCT 'Model'::metrics.entity_type, p.model_id
FROM (
    SELECT p.model_id, p.base_model, {totals}
    FROM metrics.base_model_total p
    JOIN "ModelVersion" v
      ON v."modelId" = p.model_id AND v."baseModel"::text = p.base_model AND v.status::text = 'Published'
    LEFT JOIN metrics.leaf_total t
           ON t.entity_type = 'ModelVersion' AND t.entity_id = v.id AND t.metric_type IN ({metrics})
    WHERE {pairs_in_scope}
    GROUP BY p.model_id, p.base_model
) n
JOIN metrics.base_model_total p ON p.model_id = n.model_id AND p.base_model = n.base_model
WHERE ({old}) IS DISTINCT FROM ({new})
