-- The recount as (entity, metric) -> total, for the stores that keep numbers by metric. Zeros are left out: there, a
-- missing number reads as zero.
-- Reads: recount_version, recount_model, recount_collection. Writes: the temporary table recount_total.

CREATE TEMP TABLE recount_total AS
SELECT entity_type, entity_id, metric_type, total::bigint AS total
FROM (
    SELECT 'ModelVersion'::metrics.entity_type AS entity_type, version_id AS entity_id, cell.*
    FROM recount_version
    CROSS JOIN LATERAL (VALUES
        ('Download'::metrics.metric_type, download::numeric),
        ('Generation', generation),
        ('ThumbsUp',   thumbs_up),
        ('ThumbsDown', thumbs_down),
        ('Image',      image),
        ('Tip',        tip),
        ('Buzz',       buzz)
    ) AS cell (metric_type, total)
    WHERE {model_metrics}

    UNION ALL
    SELECT 'Model', model_id, cell.*
    FROM recount_model
    CROSS JOIN LATERAL (VALUES
        ('Download'::metrics.metric_type, download),
        ('Generation', generation),
        ('ThumbsUp',   thumbs_up),
        ('ThumbsDown', thumbs_down),
        ('Comment',    comment),
        ('Image',      image),
        ('Tip',        tip),
        ('Buzz',       buzz)
    ) AS cell (metric_type, total)

    UNION ALL
    SELECT 'Model', model_id, 'Collection', collection
    FROM recount_collection
) AS recount
WHERE total <> 0;
