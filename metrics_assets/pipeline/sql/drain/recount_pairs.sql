-- Marked pairs from the reviews of their published versions. Reads base_model_total, "ModelVersion", "ResourceReview",
-- metrics.rejected, excluded_user, excluded_resource; writes base_model_total, moved_pair.
WITH counted AS (
    SELECT p.model_id, p.base_model,
           count(DISTINCT s."userId") FILTER (WHERE s.recommended) AS up,
           count(DISTINCT s."userId") FILTER (WHERE NOT s.recommended) AS down
    FROM metrics.base_model_total p
    JOIN "ModelVersion" v
      ON v."modelId" = p.model_id AND v."baseModel"::text = p.base_model AND v.status::text = 'Published'
    LEFT JOIN metrics.excluded_resource x ON x.entity_type = 'ModelVersion' AND x.entity_id = v.id
    LEFT JOIN "ResourceReview" s
           ON s."modelVersionId" = v.id AND x.entity_id IS NULL AND NOT s.exclude AND NOT s."tosViolation" AND {s_admitted}
    WHERE p.recount
    GROUP BY p.model_id, p.base_model
), written AS (
    UPDATE metrics.base_model_total p
    SET thumbs_up = counted.up, thumbs_down = counted.down, recount = false
    FROM counted
    WHERE (p.model_id, p.base_model) = (counted.model_id, counted.base_model)
    RETURNING p.model_id, p.base_model
)
INSERT INTO moved_pair (model_id, base_model) SELECT model_id, base_model FROM written
