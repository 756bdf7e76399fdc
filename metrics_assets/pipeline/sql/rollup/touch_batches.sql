-- (entity, metric, day) of the contributions that arrived with these versions. Reads entityMetricEvents by its range of
-- versions; writes entityMetricTouched. To repeat it touches the same once more.
INSERT INTO entityMetricTouched (token, entityType, metricType, day, entityId)
SELECT DISTINCT {token:UInt64}, entityType, metricType, day, entityId
FROM entityMetricEvents
WHERE version BETWEEN {first:UInt64} AND {last:UInt64}
