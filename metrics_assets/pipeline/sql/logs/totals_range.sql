-- All-time totals of the entities that were active in a range of days. Reads entityMetricDaily.
SELECT entityId, sum(total)
FROM
(
    SELECT entityId, day, argMax(total, version) AS total
    FROM entityMetricDaily
    WHERE entityType = {entity:String} AND metricType = {metric:String} AND entityId <= 2147483647
      AND entityId IN (SELECT entityId FROM entityMetricDaily
                       WHERE entityType = {entity:String} AND metricType = {metric:String}
                         AND day BETWEEN {first:Date32} AND {last:Date32})
    GROUP BY entityId, day
)
GROUP BY entityId
