-- Where the versions whose totals moved belong now. A version whose place changed as well has its pairs summed anew by the
-- drain that takes that change. Reads moved, "ModelVersion"; writes moved_version.
CREATE TEMP TABLE moved_version ON COMMIT DROP AS
SELECT m.metric_type, m.difference, v."modelId" AS model_id, v."baseModel"::text AS base_model,
       v.status::text = 'Published' AS published
FROM moved m
JOIN "ModelVersion" v ON v.id = m.entity_id
WHERE m.entity_type = 'ModelVersion' AND m.metric_type IN ({version_metrics})
