-- What became of each configuration that was written after a version: its row, or null columns when it is gone.
SELECT changed.id, c.*
FROM (SELECT DISTINCT id FROM metrics.model_config_history WHERE version > %s) changed
LEFT JOIN metrics.model_config c ON c.id = changed.id
