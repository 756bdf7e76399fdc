-- Distinct users per pair, as the shared layer has them. A pair that waits for its recount stays dirty.
-- Reads taken_key, base_model_total, "Model"; writes {work}, dirty_key.
INSERT INTO {dirty} (set_name, entity_type, entity_id, base_model, batch, announce, since)
SELECT {set_name}, k.entity_type, k.entity_id, k.base_model, {version}, k.announce, k.since
FROM taken_key k
JOIN metrics.base_model_total p ON p.model_id = k.entity_id AND p.base_model = k.base_model AND p.recount;

CREATE TEMP TABLE {work} ON COMMIT DROP AS
SELECT k.entity_id AS "modelId", k.base_model AS "baseModel",
       p.model_id IS NOT NULL AND m.id IS NOT NULL AS alive, k.announce, k.since,
       coalesce(p.thumbs_up, 0) AS "thumbsUpCount", coalesce(p.thumbs_down, 0) AS "thumbsDownCount"
FROM taken_key k
LEFT JOIN metrics.base_model_total p ON p.model_id = k.entity_id AND p.base_model = k.base_model
LEFT JOIN "Model" m ON m.id = k.entity_id
WHERE k.base_model IS NOT NULL AND p.recount IS NOT TRUE;
