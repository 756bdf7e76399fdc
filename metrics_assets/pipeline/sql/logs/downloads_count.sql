-- Downloads of what was touched, and what was counted of it before: rows equal in type, time, user, model, version and ip
-- are one event delivered again. Reads modelVersionEvents by day, entityMetricTouched, entityMetricDaily.
SELECT entityId, day, sum(total), sum(stored)
FROM
(
    SELECT toUInt32(modelVersionId) AS entityId, toDate32(time, 'UTC') AS day,
           toInt64(uniqExact(type, time, userId, modelId, modelVersionId, ip)) AS total, toInt64(0) AS stored
    FROM modelVersionEvents
    WHERE type = 'Download' AND modelVersionId > 0
      AND toDate32(time, 'UTC') IN (SELECT DISTINCT day FROM entityMetricTouched WHERE token = {token:UInt64})
      AND (toDate32(time, 'UTC'), toUInt32(modelVersionId)) IN
          (SELECT day, entityId FROM entityMetricTouched WHERE token = {token:UInt64})
    GROUP BY entityId, day
    UNION ALL
    SELECT entityId, day, toInt64(0), argMax(total, version)
    FROM entityMetricDaily
    WHERE entityType = 'ModelVersion' AND metricType = 'Download'
      AND day IN (SELECT DISTINCT day FROM entityMetricTouched WHERE token = {token:UInt64})
      AND (day, entityId) IN (SELECT day, entityId FROM entityMetricTouched WHERE token = {token:UInt64})
    GROUP BY entityId, day
    UNION ALL
    SELECT entityId, day, toInt64(0), toInt64(0) FROM entityMetricTouched WHERE token = {token:UInt64}
)
GROUP BY entityId, day
