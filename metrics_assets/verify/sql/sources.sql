-- The application's rows that count, source by source: the first column of the table of meanings, without users in
-- metrics.excluded_user, and without rows whose createdAt is more than a day ahead. metrics.rejected is not asked: the
-- pipeline writes it. `day` is the UTC date of createdAt; a row without one belongs to 1970-01-01, one of an earlier
-- century to 1900-01-01.
-- Who is excluded is no join: one could be merged along an index on the user, which reads a large table in that order.
-- Reads: the application's tables, metrics.excluded_user. Writes: temporary views of this session.

CREATE TEMP VIEW counted_review AS
SELECT
    review."modelId"                                            AS model_id,
    review."modelVersionId"                                     AS version_id,
    review."userId"                                             AS user_id,
    review.recommended                                          AS recommended,
    greatest(coalesce(review."createdAt", 'epoch')::date, DATE '1900-01-01') AS day
FROM "ResourceReview" AS review
WHERE review."userId" IS NOT NULL
  AND review.recommended IS NOT NULL
  AND review.exclude = false
  AND review."tosViolation" = false
  AND coalesce(review."createdAt", 'epoch') <= localtimestamp + interval '1 day'
  AND (review."userId" IN (SELECT user_id FROM metrics.excluded_user)) IS NOT TRUE;

CREATE TEMP VIEW counted_comment AS
SELECT
    comment."modelId"                                           AS model_id,
    greatest(coalesce(comment."createdAt", 'epoch')::date, DATE '1900-01-01') AS day
FROM "Comment" AS comment
WHERE comment."modelId" IS NOT NULL
  AND comment."tosViolation" = false
  AND coalesce(comment."createdAt", 'epoch') <= localtimestamp + interval '1 day'
  AND (comment."userId" IN (SELECT user_id FROM metrics.excluded_user)) IS NOT TRUE;

CREATE TEMP VIEW counted_item AS
SELECT
    item."modelId"                                              AS model_id,
    greatest(coalesce(item."createdAt", 'epoch')::date, DATE '1900-01-01') AS day
FROM "CollectionItem" AS item
WHERE item."modelId" IS NOT NULL
  AND coalesce(item."createdAt", 'epoch') <= localtimestamp + interval '1 day'
  AND (item."addedById" IN (SELECT user_id FROM metrics.excluded_user)) IS NOT TRUE;

CREATE TEMP VIEW counted_tip AS
SELECT
    tip."entityId"                                              AS model_id,
    coalesce(tip.amount, 0)                                     AS amount,
    greatest(coalesce(tip."createdAt", 'epoch')::date, DATE '1900-01-01') AS day
FROM "BuzzTip" AS tip
WHERE tip."entityType"::text = 'Model'
  AND coalesce(tip."createdAt", 'epoch') <= localtimestamp + interval '1 day'
  AND (tip."fromUserId" IN (SELECT user_id FROM metrics.excluded_user)) IS NOT TRUE;

CREATE TEMP VIEW counted_donation AS
SELECT
    donation."modelVersionId"                                   AS version_id,
    coalesce(donation.amount, 0)                                AS amount,
    greatest(coalesce(donation."createdAt", 'epoch')::date, DATE '1900-01-01') AS day
FROM "Donation" AS donation
WHERE coalesce(donation."createdAt", 'epoch') <= localtimestamp + interval '1 day'
  AND (donation."userId" IN (SELECT user_id FROM metrics.excluded_user)) IS NOT TRUE;

CREATE TEMP VIEW counted_image AS
SELECT
    image."postId"                                              AS post_id,
    greatest(coalesce(image."createdAt", 'epoch')::date, DATE '1900-01-01') AS day
FROM "Image" AS image
WHERE image."postId" IS NOT NULL
  AND coalesce(image."createdAt", 'epoch') <= localtimestamp + interval '1 day'
  AND (image."userId" IN (SELECT user_id FROM metrics.excluded_user)) IS NOT TRUE;
