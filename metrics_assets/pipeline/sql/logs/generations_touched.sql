-- (day, version) of every delivery of the jobs that arrived in these parts: a delivery may move a job to an earlier day,
-- so the day that it counted on before is touched as well. Reads orchestration.jobs; writes entityMetricTouched.
INSERT INTO entityMetricTouched (token, entityType, metricType, day, entityId)
SELECT DISTINCT {token:UInt64}, 'ModelVersion', 'Generation', toDate32(createdAt, 'UTC'), toUInt32(version)
FROM orchestration.jobs
ARRAY JOIN arrayDistinct(resourcesUsed) AS version
WHERE version BETWEEN 1 AND 2147483647
  AND jobId IN (SELECT jobId FROM orchestration.jobs WHERE _part IN {parts:Array(String)})
