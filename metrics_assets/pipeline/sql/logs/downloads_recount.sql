-- Downloads of what was touched: rows equal in type, time, user, model, version and ip are one event delivered again.
-- Reads modelVersionEvents by day, entityMetricTouched; writes entityMetricDaily. Absolute, so safe to repeat.
INSERT INTO entityMetricDaily (entityType, entityId, metricType, day, total, version)
SELECT 'ModelVersion', entityId, 'Download', day, sum(total), {version:UInt64}
FROM
(
    SELECT toUInt32(modelVersionId) AS entityId, toDate32(time, 'UTC') AS day,
           toInt64(uniqExact(type, time, userId, modelId, modelVersionId, ip)) AS total
    FROM modelVersionEvents
    WHERE type = 'Download' AND modelVersionId > 0
      AND toDate(time, 'UTC') IN (SELECT DISTINCT toDate(day) FROM entityMetricTouched WHERE token = {token:UInt64})
      AND (toDate32(time, 'UTC'), toUInt32(modelVersionId)) IN
          (SELECT day, entityId FROM entityMetricTouched WHERE token = {token:UInt64})
    GROUP BY entityId, day
    UNION ALL
    SELECT entityId, day, toInt64(0) FROM entityMetricTouched WHERE token = {token:UInt64}
)
GROUP BY entityId, day
