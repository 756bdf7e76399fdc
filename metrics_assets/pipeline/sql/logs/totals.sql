-- All-time totals of touched entities, from the latest version of each day. Reads entityMetricDaily.
SELECT entityId, sum(total)
FROM
(
    SELECT entityId, day, argMax(total, version) AS total
    FROM entityMetricDaily
    WHERE entityType = {entity:String} AND metricType = {metric:String}
      AND entityId IN (SELECT entityId FROM entityMetricTouched WHERE token = {token:UInt64})
    GROUP BY entityId, day
)
GROUP BY entityId
