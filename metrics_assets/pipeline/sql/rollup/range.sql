-- The rollup of a range of days from the latest version of each contribution; what has none left becomes zero.
-- Reads entityMetricEvents, entityMetricDaily; writes entityMetricDaily. Absolute, so safe to repeat.
INSERT INTO entityMetricDaily (entityType, entityId, metricType, day, total, version)
SELECT entityType, entityId, metricType, day, sum(value), {version:UInt64}
FROM
(
    SELECT entityType, metricType, day, entityId, argMax(metricValue, version) AS value
    FROM entityMetricEvents
    WHERE day BETWEEN {first:Date32} AND {last:Date32} AND metricType NOT IN {log_metrics:Array(String)}
    GROUP BY entityType, metricType, day, entityId, eventKey
    UNION ALL
    SELECT entityType, metricType, day, entityId, toInt64(0)
    FROM entityMetricDaily
    WHERE day BETWEEN {first:Date32} AND {last:Date32} AND metricType NOT IN {log_metrics:Array(String)}
)
GROUP BY entityType, metricType, day, entityId
