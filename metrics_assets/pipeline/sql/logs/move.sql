-- Reads moved; writes leaf_total.
INSERT INTO metrics.leaf_total AS t (entity_type, entity_id, metric_type, total)
SELECT entity_type, entity_id, metric_type, difference FROM moved ORDER BY entity_id
ON CONFLICT (entity_type, entity_id, metric_type) DO UPDATE SET total = t.total + excluded.total
