-- What the rows of an output should hold: the entity's own totals, and the sums of its children where a counter adds them;
-- zeros for one that is excluded.
-- Everything is looked up by a list of keys, which reads a page of an index once for all of its keys; the planner takes such
-- a list for ten of them and must not loop over it. Reads taken_key, leaf_total, model_sum, excluded_resource, {entity_table};
-- writes {work}.
SET LOCAL enable_nestloop = off;

CREATE TEMP TABLE {work} ON COMMIT DROP AS
WITH k AS MATERIALIZED (SELECT * FROM taken_key WHERE entity_type = {entity} AND base_model IS NULL)
SELECT k.entity_id AS {key}, e.id IS NOT NULL AS alive, k.announce, k.since, {values}
FROM k
LEFT JOIN (SELECT id FROM {entity_table} WHERE id = ANY (ARRAY(SELECT entity_id FROM k))) e ON e.id = k.entity_id
LEFT JOIN metrics.excluded_resource x ON x.entity_type = {entity} AND x.entity_id = k.entity_id
LEFT JOIN (
    SELECT 'self' AS part, t.entity_id, t.metric_type, t.total
    FROM metrics.leaf_total t
    WHERE t.entity_type = {entity} AND t.entity_id = ANY (ARRAY(SELECT entity_id FROM k))
    UNION ALL
    SELECT 'versions', s.model_id, s.metric_type, s.total
    FROM metrics.model_sum s
    WHERE {has_versions} AND s.model_id = ANY (ARRAY(SELECT entity_id FROM k))
) t ON t.entity_id = k.entity_id AND x.entity_id IS NULL
GROUP BY k.entity_id, k.announce, k.since, e.id;

SET LOCAL enable_nestloop TO DEFAULT;
