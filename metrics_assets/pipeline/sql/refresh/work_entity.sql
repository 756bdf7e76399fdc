-- What the rows of an output should hold: the entity's own totals, and the sums of its children where a counter adds them.
-- Reads taken_key, leaf_total, model_sum, {entity_table}; writes {work}.
CREATE TEMP TABLE {work} ON COMMIT DROP AS
SELECT k.entity_id AS {key}, e.id IS NOT NULL AS alive, k.announce, k.since, {values}
FROM (SELECT * FROM taken_key WHERE entity_type = {entity} AND base_model IS NULL) k
LEFT JOIN {entity_table} e ON e.id = k.entity_id
LEFT JOIN LATERAL (
    SELECT 'self' AS part, t.metric_type, t.total
    FROM metrics.leaf_total t
    WHERE t.entity_type = {entity} AND t.entity_id = k.entity_id
    UNION ALL
    SELECT 'versions', s.metric_type, s.total
    FROM metrics.model_sum s
    WHERE {has_versions} AND s.model_id = k.entity_id
) t ON TRUE
GROUP BY k.entity_id, k.announce, k.since, e.id
