-- What models sum of their versions, from these. Reads "ModelVersion", excluded_resource, leaf_total.
SELECT v."modelId" AS model_id, t.metric_type, sum(t.total)::bigint AS total
FROM "ModelVersion" v
JOIN metrics.leaf_total t
  ON t.entity_type = 'ModelVersion' AND t.entity_id = v.id AND t.metric_type IN ({version_metrics})
WHERE v."modelId" > 0 AND {versions_in_scope}
  AND {v_admitted}
GROUP BY 1, 2
