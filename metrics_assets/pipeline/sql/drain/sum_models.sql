-- What models sum of their versions, from these. Reads "ModelVersion", leaf_total; writes model_sum.
CREATE TEMP TABLE summed_model AS
SELECT v."modelId" AS model_id, t.metric_type, sum(t.total)::bigint AS total
FROM "ModelVersion" v
JOIN metrics.leaf_total t
  ON t.entity_type = 'ModelVersion' AND t.entity_id = v.id AND t.metric_type IN ({version_metrics})
WHERE v."modelId" > 0 AND {versions_in_scope}
GROUP BY 1, 2;

ANALYZE summed_model;

DELETE FROM metrics.model_sum s
WHERE {sums_in_scope}
  AND NOT EXISTS (SELECT FROM summed_model n WHERE n.model_id = s.model_id AND n.metric_type = s.metric_type);

INSERT INTO metrics.model_sum AS s (model_id, metric_type, total)
SELECT model_id, metric_type, total FROM summed_model ORDER BY model_id, metric_type
ON CONFLICT (model_id, metric_type) DO UPDATE SET total = excluded.total WHERE s.total <> excluded.total;

DROP TABLE summed_model;
