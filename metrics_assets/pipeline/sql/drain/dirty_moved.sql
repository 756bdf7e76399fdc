-- Which keys of one set show a total that moved. A key may come twice. Reads moved, moved_version; writes dirty_key.
INSERT INTO {dirty} (set_name, entity_type, entity_id, base_model, batch)
SELECT {set_name}, entity_type, entity_id, NULL, {version}
FROM (SELECT DISTINCT entity_type, entity_id FROM moved WHERE entity_id > 0 AND (entity_type, metric_type) IN ({own})) own
UNION ALL
SELECT {set_name}, 'Model', model_id, NULL, {version}
FROM (SELECT DISTINCT model_id FROM moved_version WHERE model_id > 0 AND metric_type IN ({of_versions})) model
UNION ALL
SELECT {set_name}, 'Model', model_id, base_model, {version}
FROM (
    SELECT DISTINCT model_id, base_model
    FROM moved_version
    WHERE model_id > 0 AND published AND base_model IS NOT NULL AND metric_type IN ({of_pairs})
) pair
