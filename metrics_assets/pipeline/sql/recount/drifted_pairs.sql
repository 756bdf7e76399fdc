-- Models whose pairs differ from a recount in existence or in a number, or wait for theirs. Reads "ModelVersion",
-- "ResourceReview", metrics.rejected, excluded_user, excluded_resource, base_model_total; writes drifted.
INSERT INTO drifted (entity_type, entity_id)
SELECT DISTINCT 'Model'::metrics.entity_type, model_id
FROM (
    SELECT model_id, base_model, count(*) FILTER (WHERE recommends) AS up, count(*) FILTER (WHERE advises_against) AS down
    FROM (
        SELECT v."modelId" AS model_id, v."baseModel"::text AS base_model, s."userId",
               bool_or(s.recommended) AS recommends, bool_or(NOT s.recommended) AS advises_against
        FROM "ModelVersion" v
        LEFT JOIN metrics.excluded_resource x ON x.entity_type = 'ModelVersion' AND x.entity_id = v.id
        LEFT JOIN "ResourceReview" s
               ON s."modelVersionId" = v.id AND x.entity_id IS NULL
              AND NOT s.exclude AND NOT s."tosViolation" AND s."userId" IS NOT NULL AND {s_admitted}
        WHERE v.status::text = 'Published' AND (v."modelId", v."baseModel") IS NOT NULL AND {versions_in_scope}
        GROUP BY 1, 2, 3
    ) by_user
    GROUP BY model_id, base_model
) counted
FULL JOIN (SELECT * FROM metrics.base_model_total p WHERE {pairs_in_scope}) p USING (model_id, base_model)
WHERE counted.up IS DISTINCT FROM p.thumbs_up OR counted.down IS DISTINCT FROM p.thumbs_down OR p.recount
