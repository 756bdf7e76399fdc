-- (day, version) of every delivery of the jobs that some users have a delivery of. Reads orchestration.jobs; writes
-- entityMetricTouched.
INSERT INTO entityMetricTouched (token, entityType, metricType, day, entityId)
SELECT DISTINCT {token:UInt64}, 'ModelVersion', 'Generation', toDate32(createdAt, 'UTC'), toUInt32(version)
FROM orchestration.jobs
ARRAY JOIN arrayDistinct(resourcesUsed) AS version
WHERE version BETWEEN 1 AND 2147483647
  AND jobId IN (SELECT jobId FROM orchestration.jobs
                WHERE toUInt32(userId) IN (SELECT entityId FROM entityMetricTouched WHERE token = {users:UInt64}))
