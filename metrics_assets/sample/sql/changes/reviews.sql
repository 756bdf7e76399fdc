-- What happens to reviews. Format and places: changes.py. Reads ids, writes "ResourceReview".

-- change: review_added (weight 20): a user reviews a version
INSERT INTO "ResourceReview" (
    id, "modelId", "modelVersionId", "userId", recommended, exclude, "tosViolation", "createdAt", "updatedAt")
SELECT
    {new_review}, "modelId", id, {a_user}, %(chance)s < 0.9, %(chance)s > 0.98, false,
    %(at_or_null)s::timestamp, %(now)s
FROM "ModelVersion"
WHERE id = {some_version}
ON CONFLICT DO NOTHING;

-- change: reviews_added (weight 2): a burst of reviews of one version in one statement
INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, "createdAt", "updatedAt")
SELECT {new_review} + n, "modelId", id, {a_user} + n, n %% 5 > 0, %(at)s, %(now)s
FROM "ModelVersion", generate_series(1, %(many)s) AS n
WHERE id = {some_version}
ON CONFLICT DO NOTHING;

-- change: review_upserted (weight 3): a review that may be there already is written again
INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, "createdAt", "updatedAt")
SELECT {new_review}, "modelId", "modelVersionId", "userId", NOT recommended, %(at)s, %(now)s
FROM "ResourceReview"
WHERE id = {some_review}
ON CONFLICT ("modelVersionId", "userId")
    DO UPDATE SET recommended = excluded.recommended, "updatedAt" = excluded."updatedAt";

-- change: recommendation_edited (weight 8): a reviewer has a change of heart
UPDATE "ResourceReview" SET recommended = NOT recommended, "updatedAt" = %(now)s WHERE id = {some_review};

-- change: review_excluded (weight 3): a review is left out, or let in again
UPDATE "ResourceReview" SET exclude = NOT exclude, "updatedAt" = %(now)s WHERE id = {some_review};

-- change: reviews_excluded (weight 1): moderation leaves out a range of reviews in one statement
UPDATE "ResourceReview"
SET exclude = true, "updatedAt" = %(now)s
WHERE id BETWEEN {some_review} AND {some_review} + %(many)s AND NOT exclude;

-- change: review_against_rules (weight 2): a violation is found, or withdrawn
UPDATE "ResourceReview" SET "tosViolation" = NOT "tosViolation", "updatedAt" = %(now)s WHERE id = {some_review};

-- change: review_deleted (weight 4): hard
DELETE FROM "ResourceReview" WHERE id = {some_review};

-- change: reviews_deleted (weight 1): hard, a range in one statement
DELETE FROM "ResourceReview" WHERE id BETWEEN {some_review} AND {some_review} + %(few)s;

-- change: review_made_again (weight 2): deleted and written again under the same keys, in one transaction
DELETE FROM "ResourceReview"
WHERE id = {some_review}
RETURNING id, "modelId" AS model_id, "modelVersionId" AS version_id, "userId" AS user_id, NOT recommended AS opinion;
INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, "createdAt", "updatedAt")
VALUES (%(id)s, %(model_id)s, %(version_id)s, %(user_id)s, %(opinion)s, %(at_or_null)s, %(now)s);

-- change: review_made_again_later (weight 2, apart): the same in two transactions
DELETE FROM "ResourceReview"
WHERE id = {some_review}
RETURNING id, "modelId" AS model_id, "modelVersionId" AS version_id, "userId" AS user_id, NOT recommended AS opinion;
INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, "createdAt", "updatedAt")
VALUES (%(id)s, %(model_id)s, %(version_id)s, %(user_id)s, %(opinion)s, %(at)s, %(now)s)
ON CONFLICT DO NOTHING;

-- change: review_id_given_to_another (weight 1): the id of a deleted review names another one
DELETE FROM "ResourceReview" WHERE id = {some_review} RETURNING id;
INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, "createdAt", "updatedAt")
SELECT %(id)s, "modelId", id, {a_user}, true, %(at)s, %(now)s
FROM "ModelVersion"
WHERE id = {other_version}
ON CONFLICT DO NOTHING;

-- change: review_moved (weight 1): a review is given to another version
UPDATE "ResourceReview" AS r
SET "modelVersionId" = v.id, "modelId" = v."modelId", "updatedAt" = %(now)s
FROM "ModelVersion" AS v
WHERE r.id = {some_review}
    AND v.id = {other_version}
    AND NOT EXISTS (
        SELECT FROM "ResourceReview" AS o WHERE o."modelVersionId" = v.id AND o."userId" = r."userId");

-- change: review_model_corrected (weight 1): a review follows its version to another model
UPDATE "ResourceReview" AS r
SET "modelId" = v."modelId", "updatedAt" = %(now)s
FROM "ModelVersion" AS v
WHERE v.id = r."modelVersionId" AND v.id = {some_version} AND r."modelId" <> v."modelId";

-- change: review_redated (weight 1): the day that it counts for changes
UPDATE "ResourceReview" SET "createdAt" = %(at_or_null)s, "updatedAt" = %(now)s WHERE id = {some_review};

-- change: review_renumbered (weight 0.5): its primary key changes
UPDATE "ResourceReview" SET id = {new_review} + 1 WHERE id = {some_review};
