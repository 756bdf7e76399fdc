-- Which keys of which sets show a total that moved. The routes come from the catalog.
-- Reads moved, "ModelVersion"; writes dirty_key.
WITH route (entity_type, metric_type, set_name, target) AS (VALUES {routes})
INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, base_model, batch)
SELECT DISTINCT set_name, entity_type, entity_id, base_model, {version}::bigint
FROM (
    -- of the entity itself
    SELECT r.set_name, m.entity_type, m.entity_id, NULL::text AS base_model
    FROM moved m
    JOIN route r ON r.entity_type = m.entity_type AND r.metric_type = m.metric_type AND r.target = 'own'
    UNION ALL
    -- of one of its versions
    SELECT r.set_name, 'Model', v."modelId", CASE WHEN r.target = 'pair' THEN v."baseModel"::text END
    FROM moved m
    JOIN route r ON r.entity_type = m.entity_type AND r.metric_type = m.metric_type AND r.target <> 'own'
    JOIN "ModelVersion" v ON v.id = m.entity_id
    WHERE r.target = 'model' OR v.status::text = 'Published'
) touched
WHERE entity_id > 0
