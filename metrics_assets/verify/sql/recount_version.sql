-- Counters of every version that exists, by the table of meanings. Excluded versions read as zero.
-- Reads: "ModelVersion", "Post" and the counted sources; log_day. Writes: the temporary table recount_version.
-- Without a log recount, download and generation are null: not compared.

CREATE TEMP TABLE recount_version AS
SELECT
    version.id                                                         AS version_id,
    version.model_id                                                   AS model_id,
    version.base_model                                                 AS base_model,
    version.published                                                  AS published,
    version.excluded                                                   AS excluded,
    CASE WHEN {with_logs} THEN coalesce(logged.download, 0) END        AS download,
    CASE WHEN {with_logs} THEN coalesce(logged.generation, 0) END      AS generation,
    coalesce(review.thumbs_up, 0)                                      AS thumbs_up,
    coalesce(review.thumbs_down, 0)                                    AS thumbs_down,
    coalesce(image.image, 0)                                           AS image,
    coalesce(donation.tip, 0)                                          AS tip,
    coalesce(donation.buzz, 0)                                         AS buzz
FROM (
    SELECT
        id,
        "modelId"                                                      AS model_id,
        "baseModel"::text                                              AS base_model,
        status::text = 'Published'                                     AS published,
        EXISTS (
            SELECT FROM metrics.excluded_resource
            WHERE entity_type = 'ModelVersion' AND entity_id = "ModelVersion".id
        )                                                              AS excluded
    FROM "ModelVersion"
    WHERE id > 0 AND ({every_key} OR id = ANY ({versions}))
) AS version
LEFT JOIN (
    SELECT
        version_id,
        sum(total) FILTER (WHERE metric_type = 'Download')             AS download,
        sum(total) FILTER (WHERE metric_type = 'Generation')           AS generation
    FROM log_day
    GROUP BY version_id
) AS logged ON logged.version_id = version.id AND NOT version.excluded
LEFT JOIN (
    SELECT
        version_id,
        count(DISTINCT user_id) FILTER (WHERE recommended)             AS thumbs_up,
        count(DISTINCT user_id) FILTER (WHERE NOT recommended)         AS thumbs_down
    FROM counted_review
    WHERE {every_key} OR version_id = ANY ({versions})
    GROUP BY version_id
) AS review ON review.version_id = version.id AND NOT version.excluded
LEFT JOIN (
    SELECT
        post."modelVersionId"                                          AS version_id,
        count(*)                                                       AS image
    FROM counted_image
    JOIN "Post" AS post ON post.id = counted_image.post_id
    WHERE post."publishedAt" IS NOT NULL AND post.id > 0
      AND ({every_key} OR post."modelVersionId" = ANY ({versions}))
    GROUP BY post."modelVersionId"
) AS image ON image.version_id = version.id AND NOT version.excluded
LEFT JOIN (
    SELECT
        version_id,
        count(*)                                                       AS tip,
        sum(amount)                                                    AS buzz
    FROM counted_donation
    WHERE {every_key} OR version_id = ANY ({versions})
    GROUP BY version_id
) AS donation ON donation.version_id = version.id AND NOT version.excluded;
