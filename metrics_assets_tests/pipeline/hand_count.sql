-- What every output row should hold, counted the plain way: one scalar subquery a number, nothing shared with the pipeline
-- or with `verify`. A row dated more than a day ahead does not count yet. Reads the application's tables and the temporary
-- tables hand_download and hand_generation (version_id, total), which know of no excluded user. An excluded version, or
-- model, has zeros. Columns: output, key, counter, value.
WITH no_user AS (
    SELECT user_id FROM metrics.excluded_user
), no_version AS (
    SELECT entity_id FROM metrics.excluded_resource WHERE entity_type = 'ModelVersion'
), no_model AS (
    SELECT entity_id FROM metrics.excluded_resource WHERE entity_type = 'Model'
), review AS (
    SELECT * FROM "ResourceReview"
    WHERE exclude = false AND "tosViolation" = false AND "userId" IS NOT NULL
      AND coalesce("createdAt", 'epoch') <= localtimestamp + interval '1 day'
      AND "userId" NOT IN (SELECT user_id FROM no_user)
), image AS (
    SELECT * FROM "Image"
    WHERE coalesce("createdAt", 'epoch') <= localtimestamp + interval '1 day'
      AND ("userId" IN (SELECT user_id FROM no_user)) IS NOT TRUE
), comment AS (
    SELECT * FROM "Comment"
    WHERE "tosViolation" = false AND coalesce("createdAt", 'epoch') <= localtimestamp + interval '1 day'
      AND ("userId" IN (SELECT user_id FROM no_user)) IS NOT TRUE
), item AS (
    SELECT * FROM "CollectionItem"
    WHERE coalesce("createdAt", 'epoch') <= localtimestamp + interval '1 day'
      AND ("addedById" IN (SELECT user_id FROM no_user)) IS NOT TRUE
), tip AS (
    SELECT * FROM "BuzzTip"
    WHERE "entityType"::text = 'Model' AND coalesce("createdAt", 'epoch') <= localtimestamp + interval '1 day'
      AND ("fromUserId" IN (SELECT user_id FROM no_user)) IS NOT TRUE
), donation AS (
    SELECT * FROM "Donation"
    WHERE coalesce("createdAt", 'epoch') <= localtimestamp + interval '1 day'
      AND ("userId" IN (SELECT user_id FROM no_user)) IS NOT TRUE
), any_version AS (
    SELECT v.id, v."modelId", v."baseModel"::text AS base_model, v.status::text AS status,
           (SELECT coalesce(sum(total), 0) FROM hand_download d WHERE d.version_id = v.id) AS downloads,
           (SELECT coalesce(sum(total), 0) FROM hand_generation g WHERE g.version_id = v.id) AS generations,
           (SELECT count(*) FROM image i JOIN "Post" p ON p.id = i."postId"
            WHERE p."modelVersionId" = v.id AND p."publishedAt" IS NOT NULL) AS images,
           (SELECT count(*) FROM donation d WHERE d."modelVersionId" = v.id) AS tips,
           (SELECT coalesce(sum(amount), 0) FROM donation d WHERE d."modelVersionId" = v.id) AS buzz,
           (SELECT count(DISTINCT "userId") FROM review r WHERE r."modelVersionId" = v.id AND recommended) AS ups,
           (SELECT count(DISTINCT "userId") FROM review r WHERE r."modelVersionId" = v.id AND NOT recommended) AS downs,
           v.id IN (SELECT entity_id FROM no_version) AS is_out
    FROM "ModelVersion" v
), version AS (
    SELECT * FROM any_version WHERE NOT is_out
), pair AS (
    SELECT DISTINCT v."modelId", v.base_model
    FROM any_version v
    JOIN "Model" m ON m.id = v."modelId"
    WHERE v.status = 'Published' AND v.base_model IS NOT NULL AND v."modelId" > 0
), counted (output, key, counter, value) AS (
    SELECT 'ModelVersionMetric', v.id::text, c.counter, CASE WHEN v.is_out THEN 0 ELSE c.value END
    FROM any_version v
    CROSS JOIN LATERAL (VALUES
        ('downloadCount', v.downloads), ('generationCount', v.generations), ('imageCount', v.images),
        ('tippedCount', v.tips), ('tippedAmountCount', v.buzz),
        ('thumbsUpCount', v.ups), ('thumbsDownCount', v.downs)
    ) AS c (counter, value)
    WHERE v.id > 0
    UNION ALL
    SELECT 'ModelMetric', m.id::text, c.counter, CASE WHEN m.id IN (SELECT entity_id FROM no_model) THEN 0 ELSE c.value END
    FROM "Model" m
    CROSS JOIN LATERAL (VALUES
        ('downloadCount', (SELECT coalesce(sum(downloads), 0) FROM version v WHERE v."modelId" = m.id)),
        ('generationCount', (SELECT coalesce(sum(generations), 0) FROM version v WHERE v."modelId" = m.id)),
        ('imageCount', (SELECT coalesce(sum(images), 0) FROM version v WHERE v."modelId" = m.id)),
        ('tippedCount', (SELECT count(*) FROM tip t WHERE t."entityId" = m.id)
                      + (SELECT coalesce(sum(tips), 0) FROM version v WHERE v."modelId" = m.id)),
        ('tippedAmountCount', (SELECT coalesce(sum(amount), 0) FROM tip t WHERE t."entityId" = m.id)
                            + (SELECT coalesce(sum(buzz), 0) FROM version v WHERE v."modelId" = m.id)),
        ('commentCount', (SELECT count(*) FROM comment c WHERE c."modelId" = m.id)),
        ('collectedCount', (SELECT count(*) FROM item i WHERE i."modelId" = m.id)),
        ('thumbsUpCount', (SELECT count(DISTINCT "userId") FROM review r WHERE r."modelId" = m.id AND recommended)),
        ('thumbsDownCount',
         (SELECT count(DISTINCT "userId") FROM review r WHERE r."modelId" = m.id AND NOT recommended))
    ) AS c (counter, value)
    WHERE m.id > 0
    UNION ALL
    SELECT c.output, p."modelId" || ' ' || p.base_model, c.counter,
           CASE WHEN p."modelId" IN (SELECT entity_id FROM no_model) THEN 0 ELSE c.value END
    FROM pair p
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT r."userId") FILTER (WHERE r.recommended) AS up,
               count(DISTINCT r."userId") FILTER (WHERE NOT r.recommended) AS down
        FROM version v
        JOIN review r ON r."modelVersionId" = v.id
        WHERE v."modelId" = p."modelId" AND v.base_model = p.base_model AND v.status = 'Published'
    ) thumbs
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(downloads), 0) AS downloads, coalesce(sum(images), 0) AS images
        FROM version v
        WHERE v."modelId" = p."modelId" AND v.base_model = p.base_model AND v.status = 'Published'
    ) traffic
    CROSS JOIN LATERAL (VALUES
        ('ReviewStatsByBaseModel', 'thumbsUpCount', thumbs.up),
        ('ReviewStatsByBaseModel', 'thumbsDownCount', thumbs.down),
        ('ModelBaseModelMetric', 'thumbsUpCount', thumbs.up),
        ('ModelBaseModelMetric', 'downloadCount', traffic.downloads),
        ('ModelBaseModelMetric', 'imageCount', traffic.images)
    ) AS c (output, counter, value)
)
SELECT output, key, counter, value::bigint FROM counted;
