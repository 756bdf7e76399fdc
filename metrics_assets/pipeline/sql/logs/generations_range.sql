-- Jobs of a range of days; what has none left becomes zero. Reads orchestration.jobs, entityMetricDaily; writes
-- entityMetricDaily. Absolute, so safe to repeat. `left_out`: as in downloads_count.sql.
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
        WHERE used BETWEEN 1 AND 2147483647
          AND ({left_out:UInt64} = 0
               OR ifNull(toUInt32(userId) NOT IN (SELECT entityId FROM entityMetricTouched WHERE token = {left_out:UInt64}), 1))
          AND jobId IN (SELECT jobId FROM orchestration.jobs
                        WHERE toDate32(createdAt, 'UTC') BETWEEN {first:Date32} AND {last:Date32})
        GROUP BY jobId, entityId
    )
    WHERE day BETWEEN {first:Date32} AND {last:Date32}
    GROUP BY entityId, day
    UNION ALL
    SELECT entityId, day, toInt64(0)
    FROM entityMetricDaily
    WHERE entityType = 'ModelVersion' AND metricType = 'Generation' AND day BETWEEN {first:Date32} AND {last:Date32}
)
GROUP BY entityId, day
