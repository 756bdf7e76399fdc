-- Images of a version: the images of its published posts. A post takes its stored total along when it moves.
-- Reads image_post, moved, leaf_total, "Post"; writes moved, leaf_total.
CREATE TEMP TABLE moved_version_image ON COMMIT DROP AS
WITH touched AS (
    SELECT entity_id AS id FROM moved WHERE entity_type = 'Post' AND metric_type = 'Image'
    UNION
    SELECT id FROM image_post
), post AS (
    SELECT touched.id,
           CASE WHEN b.id IS NOT NULL THEN CASE WHEN b."publishedAt" IS NOT NULL THEN b."modelVersionId" END
                WHEN a.id IS NOT NULL THEN NULL
                WHEN live."publishedAt" IS NOT NULL THEN live."modelVersionId" END AS version_before,
           CASE WHEN live."publishedAt" IS NOT NULL THEN live."modelVersionId" END AS version_after,
           coalesce(t.total, 0) AS total_after,
           coalesce(t.total, 0) - coalesce(m.difference, 0) AS total_before
    FROM touched
    LEFT JOIN image_post b ON b.id = touched.id AND b.side = -1
    LEFT JOIN image_post a ON a.id = touched.id AND a.side = 1
    LEFT JOIN "Post" live ON live.id = touched.id
    LEFT JOIN metrics.leaf_total t
           ON t.entity_type = 'Post' AND t.entity_id = touched.id AND t.metric_type = 'Image'
    LEFT JOIN moved m ON m.entity_type = 'Post' AND m.entity_id = touched.id AND m.metric_type = 'Image'
)
SELECT version_id, sum(difference)::bigint AS difference
FROM (
    SELECT version_before AS version_id, -total_before AS difference FROM post
    UNION ALL
    SELECT version_after, total_after FROM post
) attached
WHERE version_id > 0
GROUP BY version_id
HAVING sum(difference) <> 0;

INSERT INTO moved (entity_type, entity_id, metric_type, difference)
SELECT 'ModelVersion', version_id, 'Image', difference FROM moved_version_image;

INSERT INTO metrics.leaf_total AS t (entity_type, entity_id, metric_type, total)
SELECT 'ModelVersion', version_id, 'Image', difference FROM moved_version_image ORDER BY version_id
ON CONFLICT (entity_type, entity_id, metric_type) DO UPDATE SET total = t.total + excluded.total;
