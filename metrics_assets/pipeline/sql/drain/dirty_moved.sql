-- Which keys of which sets show a total that moved. The routes come from the catalog.
-- Reads moved, moved_version; writes dirty_key.
WITH route (entity_type, metric_type, set_name, target) AS (VALUES {routes}),
own AS (SELECT DISTINCT entity_type, entity_id, metric_type FROM moved),
model AS (SELECT DISTINCT model_id, metric_type FROM moved_version),
pair AS (SELECT DISTINCT model_id, base_model, metric_type FROM moved_version WHERE published AND base_model IS NOT NULL)
INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, base_model, batch)
SELECT r.set_name, m.entity_type, m.entity_id, NULL, {version}::bigint
FROM own m
JOIN route r ON r.entity_type = m.entity_type AND r.metric_type = m.metric_type AND r.target = 'own'
WHERE m.entity_id > 0
UNION
SELECT r.set_name, 'Model', m.model_id, NULL, {version}
FROM model m
JOIN route r ON r.entity_type = 'ModelVersion' AND r.metric_type = m.metric_type AND r.target = 'model'
WHERE m.model_id > 0
UNION
SELECT r.set_name, 'Model', m.model_id, m.base_model, {version}
FROM pair m
JOIN route r ON r.entity_type = 'ModelVersion' AND r.metric_type = m.metric_type AND r.target = 'pair'
WHERE m.model_id > 0
