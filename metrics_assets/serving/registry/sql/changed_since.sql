-- The registry's version, and what became of each configuration that was written after an earlier one: its row, or null
-- columns when it is gone; one row without `changed_id` when nothing was written.
SELECT r.version AS registry_version, changed.id AS changed_id, c.*
FROM metrics.model_registry r
LEFT JOIN (SELECT DISTINCT id FROM metrics.model_config_history WHERE version > %(since)s) changed ON true
LEFT JOIN metrics.model_config c ON c.id = changed.id
