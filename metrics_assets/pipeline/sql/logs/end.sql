-- The totals know what entityMetricDaily knows of these days; of others that a process has left behind they do not.
-- Writes log_count.
UPDATE metrics.log_count
SET daily_version = {newest},
    begun_first = CASE WHEN begun_first >= {first}::date AND begun_last <= {last}::date THEN NULL ELSE begun_first END,
    begun_last = CASE WHEN begun_first >= {first}::date AND begun_last <= {last}::date THEN NULL ELSE begun_last END
WHERE entity_type = {entity} AND metric_type = {metric}
