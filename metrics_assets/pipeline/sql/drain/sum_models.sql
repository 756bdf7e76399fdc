-- What models sum of their versions becomes what these say. Reads what recount/model_sums.sql does; writes model_sum.
CREATE TEMP TABLE summed_model AS {model_sums};

ANALYZE summed_model;

DELETE FROM metrics.model_sum s
WHERE {sums_in_scope}
  AND NOT EXISTS (SELECT FROM summed_model n WHERE n.model_id = s.model_id AND n.metric_type = s.metric_type);

INSERT INTO metrics.model_sum AS s (model_id, metric_type, total)
SELECT model_id, metric_type, total FROM summed_model ORDER BY model_id, metric_type
ON CONFLICT (model_id, metric_type) DO UPDATE SET total = excluded.total WHERE s.total <> excluded.total;

DROP TABLE summed_model;
