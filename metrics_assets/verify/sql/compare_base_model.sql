-- "ModelBaseModelMetric" against the recount. Its rows are exactly the pairs that exist: a row missing or too many is
-- a difference, whatever it holds. Downloads and images are those of the pair's Published versions; the columns that
-- describe the model equal the model's.
-- Reads: recount_pair, recount_version, "Model", metrics.excluded_resource, "ModelBaseModelMetric".
-- Writes: difference.

INSERT INTO difference (set_name, store, entity_type, entity_id, detail, counter, expected, found)
SELECT
    'base_model_metrics', 'postgres', 'Model',
    coalesce(recount.model_id, output."modelId"), coalesce(recount.base_model, output."baseModel"::text),
    cell.counter, cell.expected, cell.found
FROM (
    SELECT
        pair.model_id, pair.base_model, pair.thumbs_up, traffic.download, coalesce(traffic.image, 0) AS image,
        model.status, model.availability, model.mode, model."nsfwLevel", model.minor, model.poi
    FROM recount_pair AS pair
    JOIN "Model" AS model ON model.id = pair.model_id
    LEFT JOIN (
        SELECT
            version.model_id,
            version.base_model,
            sum(CASE WHEN excluded.entity_id IS NULL THEN version.download ELSE 0 END) AS download,
            sum(CASE WHEN excluded.entity_id IS NULL THEN version.image ELSE 0 END)    AS image
        FROM recount_version AS version
        LEFT JOIN metrics.excluded_resource AS excluded
            ON excluded.entity_type = 'Model' AND excluded.entity_id = version.model_id
        WHERE version.published
        GROUP BY version.model_id, version.base_model
    ) AS traffic USING (model_id, base_model)
) AS recount
FULL JOIN (
    SELECT * FROM "ModelBaseModelMetric" WHERE {every_key} OR "modelId" = ANY ({models})
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
        ('thumbsUpCount', recount.thumbs_up, output."thumbsUpCount"),
        ('downloadCount', recount.download,  output."downloadCount"),
        ('imageCount',    recount.image,     output."imageCount")
    ) AS counters (counter, expected, found)
    WHERE output."modelId" IS NOT NULL AND expected <> coalesce(found, 0)
    UNION ALL
    SELECT description, coalesce(expected, 'null'), coalesce(found, 'null')
    FROM (VALUES
        ('status',       recount.status::text,       output.status::text),
        ('availability', recount.availability::text, output.availability::text),
        ('mode',         recount.mode::text,         output.mode::text),
        ('nsfwLevel',    recount."nsfwLevel"::text,  output."nsfwLevel"::text),
        ('minor',        recount.minor::text,        output.minor::text),
        ('poi',          recount.poi::text,          output.poi::text)
    ) AS descriptions (description, expected, found)
    WHERE recount.model_id IS NOT NULL AND output."modelId" IS NOT NULL AND expected IS DISTINCT FROM found
) AS cell;
