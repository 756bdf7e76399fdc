-- Every day of some versions, in the log or counted before. Reads orchestration.jobs, entityMetricDaily; writes
-- entityMetricTouched.
INSERT INTO entityMetricTouched (token, entityType, metricType, day, entityId)
SELECT DISTINCT {token:UInt64}, 'ModelVersion', 'Generation', day, entityId
FROM
(
    SELECT toDate32(createdAt, 'UTC') AS day, toUInt32(used) AS entityId
    FROM orchestration.jobs
    ARRAY JOIN arrayDistinct(resourcesUsed) AS used
    WHERE used IN {entities:Array(Int32)}
    UNION ALL
    SELECT day, entityId
    FROM entityMetricDaily
    WHERE entityType = 'ModelVersion' AND metricType = 'Generation' AND entityId IN {entities:Array(Int32)}
)
