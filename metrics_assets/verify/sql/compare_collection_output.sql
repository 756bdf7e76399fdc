-- "ModelMetric"."collectedCount" against the recount, both directions: a missing row reads as zero, a row of a model
-- that does not exist is a difference.
-- Reads: recount_collection, "ModelMetric". Writes: difference.

INSERT INTO difference (set_name, store, entity_type, entity_id, detail, counter, expected, found)
SELECT
    'model_collection_metrics', 'postgres', 'Model', coalesce(recount.model_id, output."modelId"), '',
    cell.counter, cell.expected, cell.found
FROM recount_collection AS recount
FULL JOIN (
    SELECT "modelId", "collectedCount" FROM "ModelMetric" WHERE {every_key} OR "modelId" = ANY ({models})
) AS output ON output."modelId" = recount.model_id
CROSS JOIN LATERAL (
    SELECT 'row' AS counter, 'no row' AS expected, 'a row' AS found
    WHERE recount.model_id IS NULL
    UNION ALL
    SELECT 'collectedCount', recount.collection::text, coalesce(output."collectedCount", 0)::text
    WHERE recount.collection <> coalesce(output."collectedCount", 0)
) AS cell;
