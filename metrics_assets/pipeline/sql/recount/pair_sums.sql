-- What pairs sum of their Published versions, from these. Reads base_model_total, "ModelVersion", excluded_resource,
-- leaf_total.
SELECT p.model_id, p.base_model, {totals}
FROM metrics.base_model_total p
JOIN "ModelVersion" v
  ON v."modelId" = p.model_id AND v."baseModel"::text = p.base_model AND v.status::text = 'Published'
LEFT JOIN metrics.excluded_resource x ON x.entity_type = 'ModelVersion' AND x.entity_id = v.id
LEFT JOIN metrics.leaf_total t
       ON t.entity_type = 'ModelVersion' AND t.entity_id = v.id AND t.metric_type IN ({metrics}) AND x.entity_id IS NULL
WHERE {pairs_in_scope}
GROUP BY p.model_id, p.base_model
