-- Downloads of a range of days; what has none left becomes zero. Reads modelVersionEvents, entityMetricDaily; writes
-- entityMetricDaily. Absolute, so safe to repeat. `left_out`: as in downloads_count.sql.
INSERT INTO entityMetricDaily (entityType, entityId, metricType, day, total, version)
SELECT 'ModelVersion', entityId, 'Download', day, sum(total), {version:UInt64}
FROM
(
    SELECT toUInt32(modelVersionId) AS entityId, toDate32(time, 'UTC') AS day,
           toInt64(uniqExact((type, time, userId, modelId, modelVersionId, ip))) AS total
    FROM modelVersionEvents
    WHERE type = 'Download' AND modelVersionId BETWEEN 1 AND 2147483647 AND toDate32(time, 'UTC') BETWEEN {first:Date32} AND {last:Date32}
      AND ({left_out:UInt64} = 0
           OR ifNull(toUInt32(userId) NOT IN (SELECT entityId FROM entityMetricTouched WHERE token = {left_out:UInt64}), 1))
    GROUP BY entityId, day
    UNION ALL
    SELECT entityId, day, toInt64(0)
    FROM entityMetricDaily
    WHERE entityType = 'ModelVersion' AND metricType = 'Download' AND day BETWEEN {first:Date32} AND {last:Date32}
)
GROUP BY entityId, day
