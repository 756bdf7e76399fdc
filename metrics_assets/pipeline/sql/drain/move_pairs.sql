-- Distinct users per (model, base model) move by who came and who went. A user counts for a pair while one of their
-- reviews of its published versions does. Pairs marked for a recount are left out. An excluded user has no image that counts,
-- and whoever was excluded, or no longer is, has one of every review: no other row that is looked up here is of either.
-- Reads image_resource_review, later_resource_review, metrics.rejected, excluded_resource, "ModelVersion", "ResourceReview";
-- writes base_model_total, moved_pair.
SET LOCAL enable_nestloop = off;

-- Every published version of a pair that a user's change touches, in the order of the index that reviews are found by.
-- `taken`: a review that was taken is the user's review of this version now. A user has one of a version, so there is no other.
-- One that was taken and is not there now proves nothing: what an earlier chunk took may have come in its place.
CREATE TEMP TABLE pair_version ON COMMIT DROP AS
WITH image AS MATERIALIZED (
    SELECT "modelVersionId" AS version_id, "userId" AS user_id, bool_or(side = 1) AS taken
    FROM image_resource_review
    WHERE side <> 0
    GROUP BY 1, 2
), touched AS MATERIALIZED (
    SELECT DISTINCT v."modelId" AS model_id, v."baseModel"::text AS base_model, i.user_id
    FROM image i
    JOIN (SELECT * FROM "ModelVersion" WHERE id = ANY (ARRAY(SELECT version_id FROM image))) v ON v.id = i.version_id
    WHERE v.status::text = 'Published'
      AND {v_admitted}
)
SELECT t.*, v.id AS version_id, coalesce(i.taken, false) AS taken
FROM touched t
JOIN (SELECT * FROM "ModelVersion" WHERE "modelId" = ANY (ARRAY(SELECT model_id FROM touched))) v
  ON v."modelId" = t.model_id AND v."baseModel"::text = t.base_model AND v.status::text = 'Published'
LEFT JOIN image i ON i.version_id = v.id AND i.user_id = t.user_id
WHERE {v_admitted}
ORDER BY v.id, t.user_id;

SET LOCAL enable_nestloop TO DEFAULT;

-- each by the index, however many they are
SET LOCAL enable_hashjoin = off;

SET LOCAL enable_mergejoin = off;

CREATE TEMP TABLE other_review ON COMMIT DROP AS
SELECT p.model_id, p.base_model, p.user_id, r.id, r.recommended
FROM pair_version p
JOIN "ResourceReview" r ON r."modelVersionId" = p.version_id AND r."userId" = p.user_id
WHERE NOT p.taken AND NOT r.exclude AND NOT r."tosViolation";

SET LOCAL enable_hashjoin TO DEFAULT;

SET LOCAL enable_mergejoin TO DEFAULT;

SET LOCAL enable_nestloop = off;

CREATE TEMP TABLE pair_difference ON COMMIT DROP AS
WITH review AS (
    SELECT p.model_id, p.base_model, p.user_id, i.side, i.recommended
    FROM pair_version p
    JOIN image_resource_review i ON i."modelVersionId" = p.version_id AND i."userId" = p.user_id
    WHERE i.side <> 0 AND NOT i.exclude AND NOT i."tosViolation"
    UNION
    SELECT model_id, base_model, user_id, unnest('{{-1,1}}'::smallint[]), recommended
    FROM other_review r
    WHERE NOT EXISTS (SELECT FROM image_resource_review i WHERE i.id = r.id)
      AND NOT EXISTS (SELECT FROM later_resource_review l WHERE l.id = r.id)
      AND NOT EXISTS (SELECT FROM metrics.rejected x WHERE x.source = 'ResourceReview' AND x.source_key = r.id::text)
    UNION
    SELECT p.model_id, p.base_model, p.user_id, unnest('{{-1,1}}'::smallint[]), l.recommended
    FROM pair_version p
    JOIN later_resource_review l ON l."modelVersionId" = p.version_id AND l."userId" = p.user_id
    WHERE NOT l.exclude AND NOT l."tosViolation"
)
SELECT model_id, base_model,
       coalesce(sum(side) FILTER (WHERE recommended), 0) AS up,
       coalesce(sum(side) FILTER (WHERE NOT recommended), 0) AS down
FROM review
GROUP BY model_id, base_model;

SET LOCAL enable_nestloop TO DEFAULT;

WITH moved AS (
    UPDATE metrics.base_model_total p
    SET thumbs_up = p.thumbs_up + d.up, thumbs_down = p.thumbs_down + d.down
    FROM pair_difference d
    WHERE (p.model_id, p.base_model) = (d.model_id, d.base_model) AND (d.up <> 0 OR d.down <> 0) AND NOT p.recount
    RETURNING p.model_id, p.base_model
)
INSERT INTO moved_pair (model_id, base_model) SELECT model_id, base_model FROM moved;
