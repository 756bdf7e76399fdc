-- Of the sealed totals of an entity's metrics, the last are kept; batches that have nothing left are forgotten. The caller
-- holds Lock.FORWARD, so nobody sends them meanwhile. Reads and writes batch_total, batch.
DELETE FROM metrics.batch_total o
USING (
    SELECT entity_type, entity_id, metric_types, max(batch_id) AS batch_id
    FROM metrics.batch_total
    GROUP BY entity_type, entity_id, metric_types
) newest
WHERE (o.entity_type, o.entity_id, o.metric_types) = (newest.entity_type, newest.entity_id, newest.metric_types)
  AND o.batch_id < newest.batch_id;

UPDATE metrics.batch b
SET total_rows = left_over.total_rows
FROM (
    SELECT b.id, coalesce(sum(cardinality(t.totals)), 0) AS total_rows
    FROM metrics.batch b
    LEFT JOIN metrics.batch_total t ON t.batch_id = b.id
    WHERE b.forwarded_at IS NULL AND b.kind = 'totals'
    GROUP BY b.id
) left_over
WHERE b.id = left_over.id AND b.total_rows <> left_over.total_rows;

DELETE FROM metrics.batch WHERE forwarded_at IS NULL AND kind = 'totals' AND total_rows = 0;
