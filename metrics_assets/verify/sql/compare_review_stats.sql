-- "ReviewStatsByBaseModel" against the recount. Its rows are exactly the pairs that exist: a row missing or too many
-- is a difference, whatever it holds.
-- Reads: recount_pair, "ReviewStatsByBaseModel". Writes: difference.

INSERT INTO difference (set_name, store, entity_type, entity_id, detail, counter, expected, found)
SELECT
    'review_stats', 'postgres', 'Model',
    coalesce(recount.model_id, output."modelId"), coalesce(recount.base_model, output."baseModel"::text),
    cell.counter, cell.expected, cell.found
FROM recount_pair AS recount
FULL JOIN (
    SELECT * FROM "ReviewStatsByBaseModel" WHERE {every_key} OR "modelId" = ANY ({models})
) AS output ON output."modelId" = recount.model_id AND output."baseModel"::text = recount.base_model
CROSS JOIN LATERAL (
    SELECT 'row' AS counter, 'no row' AS expected, 'a row' AS found
    WHERE recount.model_id IS NULL
    UNION ALL
    SELECT 'row', 'a row', 'no row'
    WHERE output."modelId" IS NULL
    UNION ALL
    SELECT counter, expected::text, coalesce(found, 0)::text
    FROM (VALUES
        ('thumbsUpCount',   recount.thumbs_up,   output."thumbsUpCount"),
        ('thumbsDownCount', recount.thumbs_down, output."thumbsDownCount")
    ) AS counters (counter, expected, found)
    WHERE output."modelId" IS NOT NULL AND expected <> coalesce(found, 0)
) AS cell;
