-- When configurations became active for the last time: the newest state that is active after one that is not, or none.
SELECT id, max(changed_at)
FROM (
    SELECT id, changed_at, value->>'status' AS status,
           lag(value->>'status') OVER (PARTITION BY id ORDER BY version) AS status_before
    FROM metrics.model_config_history
    WHERE id = ANY(%s)
) states
WHERE status = 'active' AND status_before IS DISTINCT FROM 'active'
GROUP BY id
