-- entityMetricTotals against the recount, both directions; a missing row reads as zero, and so must the rows of
-- entities that do not exist.
-- Reads: recount_total, found_total. Writes: difference.

INSERT INTO difference (set_name, store, entity_type, entity_id, detail, counter, expected, found)
SELECT
    CASE coalesce(recount.metric_type, found.metric_type)
        WHEN 'Collection' THEN 'model_collection_metrics' ELSE 'model_metrics'
    END,
    'clickhouse totals',
    coalesce(recount.entity_type, found.entity_type), coalesce(recount.entity_id, found.entity_id), '',
    coalesce(recount.metric_type, found.metric_type)::text,
    coalesce(recount.total, 0)::text, coalesce(found.total, 0)::text
FROM recount_total AS recount
FULL JOIN found_total AS found USING (entity_type, entity_id, metric_type)
WHERE coalesce(recount.total, 0) <> coalesce(found.total, 0);
