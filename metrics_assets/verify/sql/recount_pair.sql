-- Distinct users with a review of the model's Published versions of one base model, for every pair that exists:
-- a pair exists exactly while its model exists and has a Published version with that base model. Null is no base model.
-- Excluded models and versions count nothing; their pairs stay.
-- Reads: "Model", "ModelVersion", metrics.excluded_resource, the counted sources.
-- Writes: the temporary table recount_pair.

CREATE TEMP TABLE recount_pair AS
SELECT
    version.model_id                                                           AS model_id,
    version.base_model                                                         AS base_model,
    count(DISTINCT review.user_id) FILTER (WHERE review.recommended)           AS thumbs_up,
    count(DISTINCT review.user_id) FILTER (WHERE NOT review.recommended)       AS thumbs_down
FROM (
    SELECT
        version.id,
        version."modelId"                                                      AS model_id,
        version."baseModel"::text                                              AS base_model,
        EXISTS (
            SELECT FROM metrics.excluded_resource
            WHERE entity_type = 'ModelVersion' AND entity_id = version.id
        ) OR EXISTS (
            SELECT FROM metrics.excluded_resource
            WHERE entity_type = 'Model' AND entity_id = version."modelId"
        )                                                                      AS excluded
    FROM "ModelVersion" AS version
    JOIN "Model" AS model ON model.id = version."modelId"
    WHERE version.status::text = 'Published'
      AND version."baseModel" IS NOT NULL
      AND version."modelId" > 0
      AND ({every_key} OR version."modelId" = ANY ({models}))
) AS version
LEFT JOIN counted_review AS review ON review.version_id = version.id AND NOT version.excluded
GROUP BY version.model_id, version.base_model;
