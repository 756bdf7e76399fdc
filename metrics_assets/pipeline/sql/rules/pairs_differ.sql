-- A few of the pairs just taken, none with a long history, whose users differ from the reviews of their Published versions.
-- A pair with a change of such a review, or of a version of its model, on its way is left out. Reads {work}, "ModelVersion",
-- "ResourceReview", both by index, metrics.rejected, excluded_user, excluded_resource, the outbox.
WITH sampled AS (
    SELECT "modelId", "baseModel", "thumbsUpCount" AS stored_up, "thumbsDownCount" AS stored_down
    FROM {work} w
    WHERE alive AND "thumbsUpCount" + "thumbsDownCount" <= 1000
      AND NOT EXISTS (SELECT FROM metrics.excluded_resource x WHERE x.entity_type = 'Model' AND x.entity_id = w."modelId")
    LIMIT {size}
), version AS (
    SELECT s."modelId", s."baseModel", v.id
    FROM sampled s
    JOIN "ModelVersion" v
      ON v."modelId" = s."modelId" AND v."baseModel"::text = s."baseModel" AND v.status::text = 'Published'
    WHERE {v_admitted}
), recounted AS (
    SELECT version."modelId", version."baseModel",
           count(DISTINCT s."userId") FILTER (WHERE s.recommended) AS up,
           count(DISTINCT s."userId") FILTER (WHERE NOT s.recommended) AS down
    FROM version
    JOIN "ResourceReview" s ON s."modelVersionId" = version.id AND NOT s.exclude AND NOT s."tosViolation"
    WHERE {s_admitted}
    GROUP BY 1, 2
)
SELECT s."modelId", s."baseModel", c.metric, c.stored, c.recounted
FROM sampled s
LEFT JOIN recounted r USING ("modelId", "baseModel")
CROSS JOIN LATERAL (VALUES
    ('ThumbsUp', s.stored_up, coalesce(r.up, 0)),
    ('ThumbsDown', s.stored_down, coalesce(r.down, 0))
) AS c (metric, stored, recounted)
WHERE c.stored <> c.recounted
  AND NOT EXISTS (SELECT FROM metrics.outbox_model_version o WHERE s."modelId" IN (o."old_modelId", o."new_modelId"))
  AND NOT EXISTS (SELECT FROM metrics.outbox_resource_review o
                  JOIN version v ON v.id IN (o."old_modelVersionId", o."new_modelVersionId")
                  WHERE v."modelId" = s."modelId" AND v."baseModel" = s."baseModel")
