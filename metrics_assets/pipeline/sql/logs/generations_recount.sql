-- Jobs of what was touched: a job counts once per version, on the earliest day of its deliveries that hold it.
-- Reads orchestration.jobs, entityMetricTouched; writes entityMetricDaily. Absolute, so safe to repeat.
INSERT INTO entityMetricDaily (entityType, entityId, metricType, day, total, version)
SELECT 'ModelVersion', entityId, 'Generation', day, sum(total), {version:UInt64}
FROM
(
    SELECT entityId, day, toInt64(count()) AS total
    FROM
    (
        SELECT jobId, toUInt32(used) AS entityId, min(toDate32(createdAt, 'UTC')) AS day
        FROM orchestration.jobs
        ARRAY JOIN arrayDistinct(resourcesUsed) AS used
        WHERE used > 0
          AND toUInt32(used) IN (SELECT entityId FROM entityMetricTouched WHERE token = {token:UInt64})
          AND jobId IN
          (
              SELECT jobId
              FROM orchestration.jobs
              WHERE toDate(createdAt, 'UTC') IN
                    (SELECT DISTINCT toDate(day) FROM entityMetricTouched WHERE token = {token:UInt64})
          )
        GROUP BY jobId, entityId
    )
    WHERE (day, entityId) IN (SELECT day, entityId FROM entityMetricTouched WHERE token = {token:UInt64})
    GROUP BY entityId, day
    UNION ALL
    SELECT entityId, day, toInt64(0) FROM entityMetricTouched WHERE token = {token:UInt64}
)
GROUP BY entityId, day
