-- (day, version) of the downloads that arrived in these parts. Reads modelVersionEvents; writes entityMetricTouched.
INSERT INTO entityMetricTouched (token, entityType, metricType, day, entityId)
SELECT DISTINCT {token:UInt64}, 'ModelVersion', 'Download', toDate32(time, 'UTC'), toUInt32(modelVersionId)
FROM modelVersionEvents
WHERE _part IN {parts:Array(String)} AND type = 'Download' AND modelVersionId BETWEEN 1 AND 2147483647
