-- "ModelVersionMetric" against the recount, both directions: a missing row reads as zeros, a row of a version that
-- does not exist is a difference.
-- Reads: recount_version, "ModelVersionMetric". Writes: difference.

INSERT INTO difference (set_name, store, entity_type, entity_id, detail, counter, expected, found)
SELECT
    'model_metrics', 'postgres', 'ModelVersion', coalesce(recount.version_id, output."modelVersionId"), '',
    cell.counter, cell.expected, cell.found
FROM recount_version AS recount
FULL JOIN (
    SELECT * FROM "ModelVersionMetric" WHERE {every_key} OR "modelVersionId" = ANY ({versions})
) AS output ON output."modelVersionId" = recount.version_id
CROSS JOIN LATERAL (
    SELECT 'row' AS counter, 'no row' AS expected, 'a row' AS found
    WHERE recount.version_id IS NULL
    UNION ALL
    SELECT counter, expected::text, coalesce(found, 0)::text
    FROM (VALUES
        ('downloadCount',     recount.download,    output."downloadCount"),
        ('generationCount',   recount.generation,  output."generationCount"),
        ('thumbsUpCount',     recount.thumbs_up,   output."thumbsUpCount"),
        ('thumbsDownCount',   recount.thumbs_down, output."thumbsDownCount"),
        ('imageCount',        recount.image,       output."imageCount"),
        ('tippedCount',       recount.tip,         output."tippedCount"),
        ('tippedAmountCount', recount.buzz,        output."tippedAmountCount")
    ) AS counters (counter, expected, found)
    WHERE expected <> coalesce(found, 0)
) AS cell;
