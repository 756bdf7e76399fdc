-- Keys of everything that somebody made who is excluded, or no longer, where no drain has taken that.
-- Reads: metrics.outbox_excluded_user, the counted sources. Writes: pending_key.

INSERT INTO pending_key (entity_type, entity_id)
SELECT DISTINCT made.entity_type, made.entity_id
FROM (
    SELECT named.entity_type, named.entity_id, "userId" AS user_id
    FROM "ResourceReview"
    CROSS JOIN LATERAL (VALUES ('Model', "modelId"), ('ModelVersion', "modelVersionId")) AS named (entity_type, entity_id)
    UNION ALL
    SELECT 'Model', "modelId", "userId" FROM "Comment"
    UNION ALL
    SELECT 'Model', "modelId", "addedById" FROM "CollectionItem"
    UNION ALL
    SELECT 'Model', "entityId", "fromUserId" FROM "BuzzTip" WHERE "entityType"::text = 'Model'
    UNION ALL
    SELECT 'ModelVersion', "modelVersionId", "userId" FROM "Donation"
    UNION ALL
    SELECT 'Post', "postId", "userId" FROM "Image"
) AS made
WHERE made.user_id = ANY (ARRAY(SELECT user_id FROM metrics.outbox_excluded_user)) AND made.entity_id IS NOT NULL;
