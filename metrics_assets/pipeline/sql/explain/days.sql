-- The days behind some totals that are counted from a log: latest version of each, newest first. Reads entityMetricDaily.
SELECT entityType, entityId, day, total, applied
FROM
(
    SELECT entityType, entityId, day, argMax(total, version) AS total, max(version) AS applied
    FROM entityMetricDaily
    WHERE metricType = {metric:String} AND entityType = {child:String} AND entityId IN {children:Array(UInt32)}
    GROUP BY entityType, entityId, day
)
WHERE total != 0
ORDER BY day DESC, entityId
