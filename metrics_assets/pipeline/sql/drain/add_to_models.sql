-- What a model sums of its versions moves with them. Reads moved_version; writes model_sum.
INSERT INTO metrics.model_sum AS s (model_id, metric_type, total)
SELECT model_id, metric_type, sum(difference)
FROM moved_version
WHERE model_id > 0
GROUP BY model_id, metric_type
HAVING sum(difference) <> 0
ORDER BY model_id, metric_type
ON CONFLICT (model_id, metric_type) DO UPDATE SET total = s.total + excluded.total
