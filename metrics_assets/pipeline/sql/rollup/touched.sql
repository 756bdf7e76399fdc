-- The rollup of what was touched, from the latest version of each contribution: absolute, so safe to repeat.
-- Reads entityMetricTouched, entityMetricEvents; writes entityMetricDaily.
INSERT INTO entityMetricDaily (entityType, entityId, metricType, day, total, version)
SELECT entityType, entityId, metricType, day, sum(value), {version:UInt64}
FROM
(
    SELECT entityType, metricType, day, entityId, argMax(metricValue, version) AS value
    FROM entityMetricEvents
    WHERE (entityType, metricType, day, entityId) IN
          (SELECT entityType, metricType, day, entityId FROM entityMetricTouched WHERE token = {token:UInt64})
    GROUP BY entityType, metricType, day, entityId, eventKey
    UNION ALL
    SELECT entityType, metricType, day, entityId, toInt64(0) FROM entityMetricTouched WHERE token = {token:UInt64}
)
GROUP BY entityType, metricType, day, entityId
