-- Pairs of (model, base model) whose versions came, went, moved or were renamed: they exist while they have a published
-- version, and are recounted. A version without model or base model is of no pair.
-- Reads image_model_version, "ModelVersion"; writes base_model_total, marked_pair, moved_pair.
CREATE TEMP TABLE marked_pair ON COMMIT DROP AS
SELECT DISTINCT "modelId" AS model_id, "baseModel" AS base_model
FROM image_model_version
WHERE status = 'Published' AND ("modelId", "baseModel") IS NOT NULL;

INSERT INTO moved_pair (model_id, base_model) SELECT model_id, base_model FROM marked_pair;

DELETE FROM metrics.base_model_total p USING marked_pair m
WHERE (p.model_id, p.base_model) = (m.model_id, m.base_model)
  AND NOT EXISTS (SELECT FROM "ModelVersion" v
                  WHERE v."modelId" = m.model_id AND v."baseModel"::text = m.base_model AND v.status::text = 'Published');

INSERT INTO metrics.base_model_total AS p (model_id, base_model, recount)
SELECT m.model_id, m.base_model, true
FROM marked_pair m
WHERE EXISTS (SELECT FROM "ModelVersion" v
              WHERE v."modelId" = m.model_id AND v."baseModel"::text = m.base_model AND v.status::text = 'Published')
ORDER BY 1, 2
ON CONFLICT (model_id, base_model) DO UPDATE SET recount = true;
