-- The registry's version, and every configuration by name; one row of nulls where there is none.
SELECT r.version AS registry_version, c.*
FROM metrics.model_registry r
LEFT JOIN metrics.model_config c ON true
ORDER BY c.name, c.id
