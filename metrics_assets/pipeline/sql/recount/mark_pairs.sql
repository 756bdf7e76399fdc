-- Every pair of the models in scope is brought into existence or out of it, and marked for a recount.
-- Reads "ModelVersion"; writes base_model_total, moved_pair, dirty_key.
INSERT INTO moved_pair (model_id, base_model)
SELECT p.model_id, p.base_model FROM metrics.base_model_total p WHERE {pairs_in_scope}
UNION
SELECT v."modelId", v."baseModel"::text FROM "ModelVersion" v
WHERE v.status::text = 'Published' AND (v."modelId", v."baseModel") IS NOT NULL AND {versions_in_scope};

DELETE FROM metrics.base_model_total p
WHERE {pairs_in_scope}
  AND NOT EXISTS (SELECT FROM "ModelVersion" v
                  WHERE v."modelId" = p.model_id AND v."baseModel"::text = p.base_model AND v.status::text = 'Published');

INSERT INTO metrics.base_model_total AS p (model_id, base_model, recount)
SELECT DISTINCT v."modelId", v."baseModel"::text, true
FROM "ModelVersion" v
WHERE v.status::text = 'Published' AND (v."modelId", v."baseModel") IS NOT NULL AND {versions_in_scope}
ORDER BY 1, 2
ON CONFLICT (model_id, base_model) DO UPDATE SET recount = true;

INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, base_model, batch)
SELECT DISTINCT s.set_name, 'Model'::metrics.entity_type, m.model_id, m.base_model, {version}
FROM moved_pair m CROSS JOIN unnest({pair_sets}::text[]) s (set_name);
