-- "ModelMetric" against the recount, both directions: a missing row reads as zeros, a row of a model that does not
-- exist is a difference. "collectedCount" is another set's (compare_collection_output.sql).
-- Reads: recount_model, "ModelMetric". Writes: difference.

INSERT INTO difference (set_name, store, entity_type, entity_id, detail, counter, expected, found)
SELECT
    'model_metrics', 'postgres', 'Model', coalesce(recount.model_id, output."modelId"), '',
    cell.counter, cell.expected, cell.found
FROM recount_model AS recount
FULL JOIN (
    SELECT * FROM "ModelMetric" WHERE {every_key} OR "modelId" = ANY ({models})
) AS output ON output."modelId" = recount.model_id
CROSS JOIN LATERAL (
    SELECT 'row' AS counter, 'no row' AS expected, 'a row' AS found
    WHERE recount.model_id IS NULL
    UNION ALL
    SELECT counter, expected::text, coalesce(found, 0)::text
    FROM (VALUES
        ('downloadCount',     recount.download,    output."downloadCount"),
        ('generationCount',   recount.generation,  output."generationCount"),
        ('thumbsUpCount',     recount.thumbs_up,   output."thumbsUpCount"),
        ('thumbsDownCount',   recount.thumbs_down, output."thumbsDownCount"),
        ('commentCount',      recount.comment,     output."commentCount"),
        ('imageCount',        recount.image,       output."imageCount"),
        ('tippedCount',       recount.tip,         output."tippedCount"),
        ('tippedAmountCount', recount.buzz,        output."tippedAmountCount")
    ) AS counters (counter, expected, found)
    WHERE expected <> coalesce(found, 0)
) AS cell;
