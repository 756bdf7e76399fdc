-- Every state of a configuration with the one before it, newest first.
SELECT version, changed_at, changed_by, value, lag(value) OVER (ORDER BY version)
FROM metrics.model_config_history
WHERE id = %s
ORDER BY version DESC
