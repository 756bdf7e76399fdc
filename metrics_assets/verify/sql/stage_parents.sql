-- Parents of pending keys are pending too: a post's version, a version's model.
-- Reads: pending_key, "Post", "ModelVersion". Writes: pending_key.

INSERT INTO pending_key
SELECT DISTINCT 'ModelVersion', post."modelVersionId"
FROM pending_key AS child
JOIN "Post" AS post ON post.id = child.entity_id
WHERE child.entity_type = 'Post' AND post."modelVersionId" IS NOT NULL;

INSERT INTO pending_key
SELECT DISTINCT 'Model', version."modelId"
FROM pending_key AS child
JOIN "ModelVersion" AS version ON version.id = child.entity_id
WHERE child.entity_type = 'ModelVersion';
