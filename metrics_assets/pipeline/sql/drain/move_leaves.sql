-- Leaf totals move by the difference of the contributions before and after. Reads change; writes moved, leaf_total.
INSERT INTO moved (entity_type, entity_id, metric_type, difference)
SELECT entity_type, entity_id, metric_type, sum(side * value)
FROM change
GROUP BY entity_type, entity_id, metric_type
HAVING sum(side * value) <> 0;

INSERT INTO metrics.leaf_total AS t (entity_type, entity_id, metric_type, total)
SELECT entity_type, entity_id, metric_type, difference FROM moved ORDER BY 1, 2, 3
ON CONFLICT (entity_type, entity_id, metric_type) DO UPDATE SET total = t.total + excluded.total;
