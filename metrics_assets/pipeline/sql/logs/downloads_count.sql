-- Downloads of what was touched, and what was counted of it before: rows equal in type, time, user, model, version and ip
-- are one event delivered again, a null among them or not. One hash of all of them makes them distinct: uniqExact keeps one
-- for each entity, and takes more than twice the time. A day of many millions spills to disk. `left_out`: the token of users
-- who count nowhere, 0 when there is none.
-- Reads modelVersionEvents by day, entityMetricTouched, entityMetricDaily.
SELECT entityId, day, sum(total), sum(stored)
FROM
(
    SELECT entityId, day, toInt64(count()) AS total, toInt64(0) AS stored
    FROM
    (
        SELECT toUInt32(modelVersionId) AS entityId, toDate32(time, 'UTC') AS day
        FROM modelVersionEvents
        WHERE type = 'Download' AND modelVersionId BETWEEN 1 AND 2147483647
          AND ({left_out:UInt64} = 0
               OR ifNull(toUInt32(userId) NOT IN (SELECT entityId FROM entityMetricTouched WHERE token = {left_out:UInt64}), 1))
          AND toDate32(time, 'UTC') IN (SELECT DISTINCT day FROM entityMetricTouched WHERE token = {token:UInt64})
          AND (toDate32(time, 'UTC'), toUInt32(modelVersionId)) IN
              (SELECT day, entityId FROM entityMetricTouched WHERE token = {token:UInt64})
        GROUP BY modelVersionId, time, userId, modelId, ip
    )
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
SETTINGS max_bytes_before_external_group_by = 1000000000
