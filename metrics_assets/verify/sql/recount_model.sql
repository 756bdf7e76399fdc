-- Counters of every model that exists, by the table of meanings. Excluded models read as zero.
-- Downloads, generations, images and donations are those of all its versions, whatever their status; thumbs go by the
-- review's own "modelId".
-- Reads: "Model", the counted sources, recount_version. Writes: the temporary table recount_model.

CREATE TEMP TABLE recount_model AS
SELECT
    model.id                                                           AS model_id,
    CASE WHEN {with_logs} THEN coalesce(version.download, 0) END       AS download,
    CASE WHEN {with_logs} THEN coalesce(version.generation, 0) END     AS generation,
    coalesce(review.thumbs_up, 0)                                      AS thumbs_up,
    coalesce(review.thumbs_down, 0)                                    AS thumbs_down,
    coalesce(comment.comment, 0)                                       AS comment,
    coalesce(version.image, 0)                                         AS image,
    coalesce(own_tip.tip, 0) + coalesce(version.tip, 0)                AS tip,
    coalesce(own_tip.buzz, 0) + coalesce(version.buzz, 0)              AS buzz
FROM (
    SELECT
        id,
        EXISTS (
            SELECT FROM metrics.excluded_resource
            WHERE entity_type = 'Model' AND entity_id = "Model".id
        )                                                              AS excluded
    FROM "Model"
    WHERE id > 0 AND ({every_key} OR id = ANY ({models}))
) AS model
LEFT JOIN (
    SELECT
        model_id,
        sum(download)                                                  AS download,
        sum(generation)                                                AS generation,
        sum(image)                                                     AS image,
        sum(tip)                                                       AS tip,
        sum(buzz)                                                      AS buzz
    FROM recount_version
    GROUP BY model_id
) AS version ON version.model_id = model.id AND NOT model.excluded
LEFT JOIN (
    SELECT
        model_id,
        count(DISTINCT user_id) FILTER (WHERE recommended)             AS thumbs_up,
        count(DISTINCT user_id) FILTER (WHERE NOT recommended)         AS thumbs_down
    FROM counted_review
    WHERE {every_key} OR model_id = ANY ({models})
    GROUP BY model_id
) AS review ON review.model_id = model.id AND NOT model.excluded
LEFT JOIN (
    SELECT
        model_id,
        count(*)                                                       AS comment
    FROM counted_comment
    WHERE {every_key} OR model_id = ANY ({models})
    GROUP BY model_id
) AS comment ON comment.model_id = model.id AND NOT model.excluded
LEFT JOIN (
    SELECT
        model_id,
        count(*)                                                       AS tip,
        sum(amount)                                                    AS buzz
    FROM counted_tip
    WHERE {every_key} OR model_id = ANY ({models})
    GROUP BY model_id
) AS own_tip ON own_tip.model_id = model.id AND NOT model.excluded;
