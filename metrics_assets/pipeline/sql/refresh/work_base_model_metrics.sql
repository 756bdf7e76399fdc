-- Thumbs as review_stats showed them last, downloads and images summed over the pair's published versions, and what the
-- rows carry of the model. Reads taken_key, base_model_total, "Model", "ModelVersion", leaf_total; writes {work}.
CREATE TEMP TABLE {work} ON COMMIT DROP AS
SELECT k.entity_id AS "modelId", k.base_model AS "baseModel",
       p.model_id IS NOT NULL AND m.id IS NOT NULL AS alive, m.id IS NOT NULL AND coalesce(t.published, FALSE) AS published,
       k.announce, k.since,
       coalesce(p.shown_up, 0) AS "thumbsUpCount",
       coalesce(t.downloads, 0) AS "downloadCount", coalesce(t.images, 0) AS "imageCount", {metadata}
FROM taken_key k
LEFT JOIN metrics.base_model_total p ON p.model_id = k.entity_id AND p.base_model = k.base_model
LEFT JOIN "Model" m ON m.id = k.entity_id
LEFT JOIN LATERAL (
    SELECT count(*) > 0 AS published,
           sum(l.total) FILTER (WHERE l.metric_type = 'Download')::bigint AS downloads,
           sum(l.total) FILTER (WHERE l.metric_type = 'Image')::bigint AS images
    FROM "ModelVersion" v
    LEFT JOIN metrics.leaf_total l
           ON l.entity_type = 'ModelVersion' AND l.entity_id = v.id AND l.metric_type IN ('Download', 'Image')
    WHERE v."modelId" = k.entity_id AND v."baseModel"::text = k.base_model AND v.status::text = 'Published'
) t ON TRUE
WHERE k.base_model IS NOT NULL
