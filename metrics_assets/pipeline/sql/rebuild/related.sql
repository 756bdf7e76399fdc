-- The versions of touched posts and the models of touched versions: their totals are built from them.
-- Reads "Post", "ModelVersion".
WITH version AS (
    SELECT unnest(%(versions)s::integer[]) AS id
    UNION
    SELECT "modelVersionId" FROM "Post" WHERE id = ANY (%(posts)s::integer[]) AND "modelVersionId" IS NOT NULL
)
SELECT 'ModelVersion', id FROM version
UNION
SELECT 'Model', v."modelId" FROM "ModelVersion" v JOIN version USING (id)
WHERE v."modelId" IS NOT NULL
