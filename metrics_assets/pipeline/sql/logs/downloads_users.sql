-- (day, version) of every download of some users. Reads modelVersionEvents; writes entityMetricTouched.
INSERT INTO entityMetricTouched (token, entityType, metricType, day, entityId)
SELECT DISTINCT {token:UInt64}, 'ModelVersion', 'Download', toDate32(time, 'UTC'), toUInt32(modelVersionId)
FROM modelVersionEvents
WHERE type = 'Download' AND modelVersionId BETWEEN 1 AND 2147483647
  AND toUInt32(userId) IN (SELECT entityId FROM entityMetricTouched WHERE token = {users:UInt64})
