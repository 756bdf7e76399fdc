-- Models whose pairs differ from a recount in existence or in a number, or wait for theirs. Reads "ModelVersion", "ResourceReview",
-- base_model_total; writes drifted.
INSERT INTO drifted (entity_type, entity_id)
SELECT DISTINCT 'Model'::metrics.entity_type, model_id
FROM (
    SELECT model_id, base_model, count(*) FILTER (WHERE recommends) AS up, count(*) FILTER (WHERE advises_against) AS down
    FROM (
        SELECT v."modelId" AS model_id, v."baseModel"::text AS base_model, r."userId",
               bool_or(r.recommended) AS recommends, bool_or(NOT r.recommended) AS advises_against
        FROM "ModelVersion" v
        LEFT JOIN "ResourceReview" r
               ON r."modelVersionId" = v.id AND NOT r.exclude AND NOT r."tosViolation" AND r."userId" IS NOT NULL
              AND NOT EXISTS (SELECT FROM metrics.rejected x
                              WHERE x.source = 'ResourceReview' AND x.source_key = r.id::text)
        WHERE v.status::text = 'Published' AND (v."modelId", v."baseModel") IS NOT NULL AND {versions_in_scope}
        GROUP BY 1, 2, 3
    ) by_user
    GROUP BY model_id, base_model
) counted
FULL JOIN (SELECT * FROM metrics.base_model_total p WHERE {pairs_in_scope}) p USING (model_id, base_model)
WHERE counted.up IS DISTINCT FROM p.thumbs_up OR counted.down IS DISTINCT FROM p.thumbs_down OR p.recount
