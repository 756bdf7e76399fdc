-- What each leaf gained on each UTC day, whether or not the entity exists: the daily rollup, and the contributions
-- behind it, must say the same. A leaf is what is counted for the entity itself; parents are sums of leaves.
-- Ids are positive: another one names no entity, here and in the other recounts.
-- Model thumbs: a user counts once up and once down per model, on the day of the first review that qualifies.
-- Post images: every image of the post, whatever the state of the post.
-- Reads: the counted sources, log_day. Writes: the temporary table recount_day.

CREATE TEMP TABLE recount_day AS
SELECT entity_type, entity_id, metric_type, day, total
FROM (
    SELECT
        'ModelVersion'::metrics.entity_type AS entity_type,
        version_id                          AS entity_id,
        metric_type                         AS metric_type,
        day                                 AS day,
        sum(total)::bigint                  AS total
    FROM log_day
    WHERE {model_metrics}
    GROUP BY version_id, metric_type, day

    UNION ALL
    SELECT
        'ModelVersion',
        version_id,
        (CASE WHEN recommended THEN 'ThumbsUp' ELSE 'ThumbsDown' END)::metrics.metric_type,
        day,
        count(*)
    FROM (
        SELECT version_id, user_id, recommended, min(day) AS day
        FROM counted_review
        WHERE {model_metrics} AND ({every_key} OR version_id = ANY ({versions}))
        GROUP BY version_id, user_id, recommended
    ) AS first_review
    GROUP BY version_id, recommended, day

    UNION ALL
    SELECT
        'Model',
        model_id,
        (CASE WHEN recommended THEN 'ThumbsUp' ELSE 'ThumbsDown' END)::metrics.metric_type,
        day,
        count(*)
    FROM (
        SELECT model_id, user_id, recommended, min(day) AS day
        FROM counted_review
        WHERE {model_metrics} AND ({every_key} OR model_id = ANY ({models}))
        GROUP BY model_id, user_id, recommended
    ) AS first_review
    GROUP BY model_id, recommended, day

    UNION ALL
    SELECT 'ModelVersion', version_id, gain.metric_type, day, gain.total
    FROM (
        SELECT version_id, day, count(*) AS tip, sum(amount) AS buzz
        FROM counted_donation
        WHERE {model_metrics} AND ({every_key} OR version_id = ANY ({versions}))
        GROUP BY version_id, day
    ) AS donation
    CROSS JOIN LATERAL (
        VALUES ('Tip'::metrics.metric_type, tip), ('Buzz', buzz)
    ) AS gain (metric_type, total)

    UNION ALL
    SELECT 'Model', model_id, gain.metric_type, day, gain.total
    FROM (
        SELECT model_id, day, count(*) AS tip, sum(amount) AS buzz
        FROM counted_tip
        WHERE {model_metrics} AND ({every_key} OR model_id = ANY ({models}))
        GROUP BY model_id, day
    ) AS tip
    CROSS JOIN LATERAL (
        VALUES ('Tip'::metrics.metric_type, tip), ('Buzz', buzz)
    ) AS gain (metric_type, total)

    UNION ALL
    SELECT 'Model', model_id, 'Comment', day, count(*)
    FROM counted_comment
    WHERE {model_metrics} AND ({every_key} OR model_id = ANY ({models}))
    GROUP BY model_id, day

    UNION ALL
    SELECT 'Model', model_id, 'Collection', day, count(*)
    FROM counted_item
    WHERE {model_collection_metrics} AND ({every_key} OR model_id = ANY ({models}))
    GROUP BY model_id, day

    UNION ALL
    SELECT 'Post', post_id, 'Image', day, count(*)
    FROM counted_image
    WHERE {model_metrics} AND ({every_key} OR post_id = ANY ({posts}))
    GROUP BY post_id, day
) AS leaf
WHERE day <= {last_day} AND entity_id > 0;
