-- Which keys of which sets show an entity that came, went, moved or was renamed.
-- Reads image_model, image_model_version, moved_pair, base_model_total; writes dirty_key.
INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, base_model, batch)
SELECT DISTINCT set_name, entity_type, entity_id, base_model, {version}::bigint
FROM (
    -- who its versions are changed
    SELECT s.set_name, 'ModelVersion'::metrics.entity_type AS entity_type, i.id AS entity_id, NULL::text AS base_model
    FROM image_model_version i, unnest({version_sets}::text[]) s (set_name)
    UNION ALL
    SELECT s.set_name, 'Model', i."modelId", NULL
    FROM image_model_version i, unnest({parent_sets}::text[]) s (set_name)
    UNION ALL
    SELECT s.set_name, 'Model', p.model_id, p.base_model FROM moved_pair p, unnest({pair_sets}::text[]) s (set_name)
    WHERE s.set_name <> ALL ({following_sets}::text[])
       OR (p.model_id, p.base_model) IN (SELECT "modelId", "baseModel" FROM image_model_version)
    UNION ALL
    -- it came, went, or what its rows carry of it changed
    SELECT s.set_name, 'Model', i.id, NULL FROM image_model i, unnest({model_sets}::text[]) s (set_name)
    UNION ALL
    SELECT s.set_name, 'Model', p.model_id, p.base_model
    FROM image_model i
    JOIN metrics.base_model_total p ON p.model_id = i.id
    CROSS JOIN unnest({pair_sets}::text[]) s (set_name)
) touched
WHERE entity_id > 0
