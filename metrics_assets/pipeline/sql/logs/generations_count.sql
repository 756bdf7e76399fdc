-- Jobs of what was touched, and what was counted of it before: a job counts once per version, on the earliest day of its
-- deliveries that hold it. `left_out`: as in downloads_count.sql.
-- Reads orchestration.jobs, entityMetricTouched, entityMetricDaily.
SELECT entityId, day, sum(total), sum(stored)
FROM
(
    SELECT entityId, day, toInt64(count()) AS total, toInt64(0) AS stored
    FROM
    (
        SELECT jobId, toUInt32(used) AS entityId, min(toDate32(createdAt, 'UTC')) AS day
        FROM orchestration.jobs
        ARRAY JOIN arrayDistinct(resourcesUsed) AS used
        WHERE used BETWEEN 1 AND 2147483647
          AND ({left_out:UInt64} = 0
               OR ifNull(toUInt32(userId) NOT IN (SELECT entityId FROM entityMetricTouched WHERE token = {left_out:UInt64}), 1))
          AND toUInt32(used) IN (SELECT entityId FROM entityMetricTouched WHERE token = {token:UInt64})
          AND jobId IN
          (
              SELECT jobId
              FROM orchestration.jobs
              WHERE toDate32(createdAt, 'UTC') IN
                    (SELECT DISTINCT day FROM entityMetricTouched WHERE token = {token:UInt64})
          )
        GROUP BY jobId, entityId
    )
    WHERE (day, entityId) IN (SELECT day, entityId FROM entityMetricTouched WHERE token = {token:UInt64})
    GROUP BY entityId, day
    UNION ALL
    SELECT entityId, day, toInt64(0), argMax(total, version)
    FROM entityMetricDaily
    WHERE entityType = 'ModelVersion' AND metricType = 'Generation'
      AND day IN (SELECT DISTINCT day FROM entityMetricTouched WHERE token = {token:UInt64})
      AND (day, entityId) IN (SELECT day, entityId FROM entityMetricTouched WHERE token = {token:UInt64})
    GROUP BY entityId, day
    UNION ALL
    SELECT entityId, day, toInt64(0), toInt64(0) FROM entityMetricTouched WHERE token = {token:UInt64}
)
GROUP BY entityId, day
