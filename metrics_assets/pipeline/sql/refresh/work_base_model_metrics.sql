-- Thumbs as review_stats showed them last, what the shared layer sums of the pair's published versions, and what the rows
-- carry of the model, with zeros for one that is excluded; looked up by lists of keys, as in work_entity.sql.
-- Reads taken_key, base_model_total, pair_shown, excluded_resource, "Model"; writes {work}.
SET LOCAL enable_nestloop = off;

CREATE TEMP TABLE {work} ON COMMIT DROP AS
SELECT k.entity_id AS "modelId", k.base_model AS "baseModel",
       p.model_id IS NOT NULL AND m.id IS NOT NULL AS alive, k.announce, k.since,
       CASE WHEN x.entity_id IS NULL THEN coalesce(s.thumbs_up, 0) ELSE 0 END AS "thumbsUpCount", {pair_sums}, {metadata}
FROM taken_key k
LEFT JOIN (
    SELECT * FROM metrics.base_model_total WHERE model_id = ANY (ARRAY(SELECT entity_id FROM taken_key))
) p ON p.model_id = k.entity_id AND p.base_model = k.base_model
LEFT JOIN (
    SELECT * FROM metrics.pair_shown WHERE model_id = ANY (ARRAY(SELECT entity_id FROM taken_key))
) s ON s.model_id = k.entity_id AND s.base_model = k.base_model
LEFT JOIN (SELECT * FROM "Model" WHERE id = ANY (ARRAY(SELECT entity_id FROM taken_key))) m ON m.id = k.entity_id
LEFT JOIN metrics.excluded_resource x ON x.entity_type = 'Model' AND x.entity_id = k.entity_id
WHERE k.base_model IS NOT NULL;

SET LOCAL enable_nestloop TO DEFAULT;
