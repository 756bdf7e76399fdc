-- Redis hashes against the recount, both directions: a missing hash or field reads as zero, a hash of an entity that
-- does not exist is a difference. Values are compared as text, so a field that is no number is one too.
-- Reads: recount_total, found_field, recount_version, recount_model. Writes: difference.

INSERT INTO difference (set_name, store, entity_type, entity_id, detail, counter, expected, found)
SELECT
    CASE coalesce(recount.metric_type, found.field)
        WHEN 'Collection' THEN 'model_collection_metrics' ELSE 'model_metrics'
    END,
    'redis',
    coalesce(recount.entity_type, found.entity_type), coalesce(recount.entity_id, found.entity_id), '',
    coalesce(recount.metric_type, found.field),
    coalesce(recount.total, '0'), coalesce(found.value, '0')
FROM (
    SELECT entity_type, entity_id, metric_type::text AS metric_type, total::text AS total FROM recount_total
) AS recount
FULL JOIN (
    -- SCAN may name a key twice
    SELECT entity_type, entity_id, field, max(value) AS value
    FROM found_field
    WHERE field = ANY ({metrics})
    GROUP BY entity_type, entity_id, field
) AS found
    ON found.entity_type = recount.entity_type
    AND found.entity_id = recount.entity_id
    AND found.field = recount.metric_type
WHERE coalesce(recount.total, '0') <> coalesce(found.value, '0')

UNION ALL
SELECT DISTINCT 'model_metrics', 'redis', entity_type, entity_id, '', 'hash', 'no hash', 'a hash'
FROM found_field
WHERE {model_metrics}
  AND CASE entity_type
        WHEN 'Model' THEN NOT EXISTS (SELECT FROM recount_model WHERE model_id = found_field.entity_id)
        ELSE NOT EXISTS (SELECT FROM recount_version WHERE version_id = found_field.entity_id)
      END

UNION ALL
SELECT DISTINCT 'model_metrics', 'redis', entity_type, entity_id, '', 'key', 'a hash', value
FROM found_field
WHERE {model_metrics} AND field = '(type)';
