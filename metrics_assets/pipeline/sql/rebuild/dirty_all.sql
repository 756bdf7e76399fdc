-- Every key that a set could have to write, for the entities in scope, to be announced whether its numbers move or not: what
-- ClickHouse or Redis lost shows nowhere else. Reads the application's tables, the outputs and base_model_total; writes
-- dirty_key.
INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, base_model, batch, announce)
SELECT s.set_name, 'ModelVersion'::metrics.entity_type, k.id, NULL, {version}::bigint, true
FROM (SELECT id FROM "ModelVersion" UNION SELECT "modelVersionId" FROM "ModelVersionMetric") k (id),
     unnest({version_sets}::text[]) s (set_name)
WHERE {version_in_scope} AND s.set_name = {set_name}
UNION ALL
SELECT s.set_name, 'Model', k.id, NULL, {version}, true
FROM (SELECT id FROM "Model" UNION SELECT "modelId" FROM "ModelMetric") k (id), unnest({model_sets}::text[]) s (set_name)
WHERE {model_in_scope} AND s.set_name = {set_name}
UNION ALL
SELECT s.set_name, 'Model', k.id, k.base_model, {version}, true
FROM (SELECT model_id, base_model FROM metrics.base_model_total
      UNION SELECT "modelId", "baseModel" FROM "ReviewStatsByBaseModel"
      UNION SELECT "modelId", "baseModel" FROM "ModelBaseModelMetric") k (id, base_model),
     unnest({pair_sets}::text[]) s (set_name)
WHERE {model_in_scope} AND s.set_name = {set_name}
