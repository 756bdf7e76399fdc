-- Distinct users per pair, as the shared layer has them, none of a model that is excluded; looked up by lists of keys, as in
-- work_entity.sql. A pair that waits for its recount stays dirty.
-- Reads taken_key, base_model_total, excluded_resource, "Model"; writes {work}, dirty_key.
INSERT INTO {dirty} (set_name, entity_type, entity_id, base_model, batch, announce, since)
SELECT {set_name}, k.entity_type, k.entity_id, k.base_model, {version}, k.announce, k.since
FROM taken_key k
JOIN metrics.base_model_total p ON p.model_id = k.entity_id AND p.base_model = k.base_model AND p.recount;

SET LOCAL enable_nestloop = off;

CREATE TEMP TABLE {work} ON COMMIT DROP AS
SELECT k.entity_id AS "modelId", k.base_model AS "baseModel",
       p.model_id IS NOT NULL AND m.id IS NOT NULL AS alive, k.announce, k.since,
       CASE WHEN x.entity_id IS NULL THEN coalesce(p.thumbs_up, 0) ELSE 0 END AS "thumbsUpCount",
       CASE WHEN x.entity_id IS NULL THEN coalesce(p.thumbs_down, 0) ELSE 0 END AS "thumbsDownCount"
FROM taken_key k
LEFT JOIN (
    SELECT * FROM metrics.base_model_total WHERE model_id = ANY (ARRAY(SELECT entity_id FROM taken_key))
) p ON p.model_id = k.entity_id AND p.base_model = k.base_model
LEFT JOIN (SELECT id FROM "Model" WHERE id = ANY (ARRAY(SELECT entity_id FROM taken_key))) m ON m.id = k.entity_id
LEFT JOIN metrics.excluded_resource x ON x.entity_type = 'Model' AND x.entity_id = k.entity_id
WHERE k.base_model IS NOT NULL AND p.recount IS NOT TRUE;

SET LOCAL enable_nestloop TO DEFAULT;
