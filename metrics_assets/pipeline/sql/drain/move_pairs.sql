-- Distinct users per (model, base model) move by who came and who went. A user counts for a pair while one of their
-- reviews of its published versions does; reviews that nobody changed are found by (version, user).
-- Pairs marked for a recount are left out. Reads image_resource_review, later_resource_review, "ModelVersion",
-- "ResourceReview"; writes base_model_total, moved_pair.
CREATE TEMP TABLE pair_difference ON COMMIT DROP AS
WITH touched AS (
    SELECT DISTINCT p.model_id, p.base_model, i."userId" AS user_id
    FROM image_resource_review i
    JOIN "ModelVersion" v ON v.id = i."modelVersionId" AND v.status::text = 'Published'
    JOIN metrics.base_model_total p
      ON p.model_id = v."modelId" AND p.base_model = v."baseModel"::text AND NOT p.recount
), version AS (
    SELECT touched.*, v.id AS version_id
    FROM touched
    JOIN "ModelVersion" v
      ON v."modelId" = touched.model_id AND v."baseModel"::text = touched.base_model AND v.status::text = 'Published'
), review AS (
    SELECT version.model_id, version.base_model, version.user_id, i.side, i.recommended
    FROM version
    JOIN image_resource_review i ON i."modelVersionId" = version.version_id AND i."userId" = version.user_id
    WHERE NOT i.exclude AND NOT i."tosViolation"
    UNION
    SELECT version.model_id, version.base_model, version.user_id, both_sides.side, r.recommended
    FROM version
    JOIN "ResourceReview" r ON r."modelVersionId" = version.version_id AND r."userId" = version.user_id
    CROSS JOIN (VALUES (-1), (1)) AS both_sides (side)
    WHERE NOT r.exclude AND NOT r."tosViolation"
      AND NOT EXISTS (SELECT FROM image_resource_review i WHERE i.id = r.id)
      AND NOT EXISTS (SELECT FROM later_resource_review l WHERE l.id = r.id)
      AND NOT EXISTS (SELECT FROM metrics.rejected x WHERE x.source = 'ResourceReview' AND x.source_key = r.id::text)
    UNION
    SELECT version.model_id, version.base_model, version.user_id, both_sides.side, l.recommended
    FROM version
    JOIN later_resource_review l ON l."modelVersionId" = version.version_id AND l."userId" = version.user_id
    CROSS JOIN (VALUES (-1), (1)) AS both_sides (side)
    WHERE NOT l.exclude AND NOT l."tosViolation"
)
SELECT model_id, base_model,
       coalesce(sum(side) FILTER (WHERE recommended), 0) AS up,
       coalesce(sum(side) FILTER (WHERE NOT recommended), 0) AS down
FROM review
GROUP BY model_id, base_model;

UPDATE metrics.base_model_total p
SET thumbs_up = p.thumbs_up + d.up, thumbs_down = p.thumbs_down + d.down
FROM pair_difference d
WHERE (p.model_id, p.base_model) = (d.model_id, d.base_model) AND (d.up <> 0 OR d.down <> 0);

INSERT INTO moved_pair (model_id, base_model)
SELECT model_id, base_model FROM pair_difference WHERE up <> 0 OR down <> 0;
