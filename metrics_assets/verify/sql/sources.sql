-- The application's rows that count, source by source: the first column of the table of meanings, without users in
-- metrics.excluded_user, and without rows whose createdAt is more than a day ahead. metrics.rejected is not asked: the
-- pipeline writes it. `day` is the UTC date of createdAt; a row without one belongs to 1970-01-01, one of an earlier
-- century to 1900-01-01.
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
  AND NOT EXISTS (SELECT FROM metrics.excluded_user WHERE user_id = review."userId");

CREATE TEMP VIEW counted_comment AS
SELECT
    comment."modelId"                                           AS model_id,
    greatest(coalesce(comment."createdAt", 'epoch')::date, DATE '1900-01-01') AS day
FROM "Comment" AS comment
WHERE comment."modelId" IS NOT NULL
  AND comment."tosViolation" = false
  AND coalesce(comment."createdAt", 'epoch') <= localtimestamp + interval '1 day'
  AND NOT EXISTS (SELECT FROM metrics.excluded_user WHERE user_id = comment."userId");

CREATE TEMP VIEW counted_item AS
SELECT
    item."modelId"                                              AS model_id,
    greatest(coalesce(item."createdAt", 'epoch')::date, DATE '1900-01-01') AS day
FROM "CollectionItem" AS item
WHERE item."modelId" IS NOT NULL
  AND coalesce(item."createdAt", 'epoch') <= localtimestamp + interval '1 day'
  AND NOT EXISTS (SELECT FROM metrics.excluded_user WHERE user_id = item."addedById");

CREATE TEMP VIEW counted_tip AS
SELECT
    tip."entityId"                                              AS model_id,
    coalesce(tip.amount, 0)                                     AS amount,
    greatest(coalesce(tip."createdAt", 'epoch')::date, DATE '1900-01-01') AS day
FROM "BuzzTip" AS tip
WHERE tip."entityType"::text = 'Model'
  AND coalesce(tip."createdAt", 'epoch') <= localtimestamp + interval '1 day'
  AND NOT EXISTS (SELECT FROM metrics.excluded_user WHERE user_id = tip."fromUserId");

CREATE TEMP VIEW counted_donation AS
SELECT
    donation."modelVersionId"                                   AS version_id,
    coalesce(donation.amount, 0)                                AS amount,
    greatest(coalesce(donation."createdAt", 'epoch')::date, DATE '1900-01-01') AS day
FROM "Donation" AS donation
WHERE coalesce(donation."createdAt", 'epoch') <= localtimestamp + interval '1 day'
  AND NOT EXISTS (SELECT FROM metrics.excluded_user WHERE user_id = donation."userId");

CREATE TEMP VIEW counted_image AS
SELECT
    image."postId"                                              AS post_id,
    greatest(coalesce(image."createdAt", 'epoch')::date, DATE '1900-01-01') AS day
FROM "Image" AS image
WHERE image."postId" IS NOT NULL
  AND coalesce(image."createdAt", 'epoch') <= localtimestamp + interval '1 day'
  AND NOT EXISTS (SELECT FROM metrics.excluded_user WHERE user_id = image."userId");
