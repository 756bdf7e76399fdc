-- From now on, entityMetricDaily may know more of these days than the totals do. Writes log_count.
INSERT INTO metrics.log_count AS c (entity_type, metric_type, begun_first, begun_last)
VALUES ({entity}, {metric}, {first}::date, {last}::date)
ON CONFLICT (entity_type, metric_type) DO UPDATE
SET begun_first = least(c.begun_first, excluded.begun_first), begun_last = greatest(c.begun_last, excluded.begun_last)
