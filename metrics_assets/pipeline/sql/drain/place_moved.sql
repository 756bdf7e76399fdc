-- Where the versions whose totals moved belong now. A version whose place changed as well has its pairs summed anew by the
-- drain that takes that change. They are looked up by a list of keys, which reads a page of the index once for all of its
-- keys; the planner takes such a list for ten of them and must not loop over it. Reads moved, "ModelVersion",
-- excluded_resource; writes moved_version.
SET LOCAL enable_nestloop = off;

CREATE TEMP TABLE moved_version ON COMMIT DROP AS
WITH m AS MATERIALIZED (
    SELECT entity_id, metric_type, difference
    FROM moved
    WHERE entity_type = 'ModelVersion' AND metric_type IN ({version_metrics})
)
SELECT m.metric_type, m.difference, v."modelId" AS model_id, v."baseModel"::text AS base_model,
       v.status::text = 'Published' AS published
FROM m
JOIN (SELECT * FROM "ModelVersion" WHERE id = ANY (ARRAY(SELECT entity_id FROM m))) v ON v.id = m.entity_id
WHERE {v_admitted};

SET LOCAL enable_nestloop TO DEFAULT;
