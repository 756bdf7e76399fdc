-- Which keys of which sets show an entity that came, went, moved or was renamed. One that came or went is announced, also
-- when it was gone for a moment: its row may have gone meanwhile, the other stores may show what it was before or that it is
-- gone, and a row of zeros is not made.
-- Reads image_model, image_model_version, renewed_model, renewed_model_version, moved_pair, base_model_total, the outputs of
-- pairs; writes dirty_key.
WITH version AS (
    SELECT DISTINCT id, id IN (SELECT id FROM renewed_model_version) AS came_or_went FROM image_model_version
), model AS (
    SELECT DISTINCT id, id IN (SELECT id FROM renewed_model) AS came_or_went FROM image_model
)
INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, base_model, announce, batch)
SELECT DISTINCT set_name, entity_type, entity_id, base_model, announce, {version}::bigint
FROM (
    -- who its versions are changed
    SELECT s.set_name, 'ModelVersion'::metrics.entity_type AS entity_type, i.id AS entity_id, NULL::text AS base_model,
           i.came_or_went AS announce
    FROM version i, unnest({version_sets}::text[]) s (set_name)
    UNION ALL
    SELECT s.set_name, 'Model', i."modelId", NULL, false
    FROM image_model_version i, unnest({parent_sets}::text[]) s (set_name)
    UNION ALL
    SELECT s.set_name, 'Model', p.model_id, p.base_model, false
    FROM moved_pair p, unnest({pair_sets}::text[]) s (set_name)
    WHERE s.set_name <> ALL ({following_sets}::text[])
       OR (p.model_id, p.base_model) IN (SELECT "modelId", "baseModel" FROM image_model_version)
    UNION ALL
    -- it came, went, or what its rows carry of it changed
    SELECT s.set_name, 'Model', i.id, NULL, i.came_or_went FROM model i, unnest({model_sets}::text[]) s (set_name)
    UNION ALL
    SELECT s.set_name, 'Model', p.model_id, p.base_model, false
    FROM model i
    JOIN metrics.base_model_total p ON p.model_id = i.id
    CROSS JOIN unnest({pair_sets}::text[]) s (set_name)
    UNION ALL
    -- a foreign key that cascades may have carried rows of pairs to another model
    SELECT p.set_name, 'Model', p.model_id, p.base_model, false
    FROM model i
    JOIN ({pair_rows}) p ON p.model_id = i.id
    WHERE i.came_or_went
) touched
WHERE entity_id > 0
