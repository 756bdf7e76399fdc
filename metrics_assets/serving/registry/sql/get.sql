-- The registry's version, and the configuration with an id; its columns are null where there is none. One statement is one
-- snapshot and one round trip.
SELECT r.version AS registry_version, c.*
FROM metrics.model_registry r
LEFT JOIN metrics.model_config c ON c.id = %(id)s
