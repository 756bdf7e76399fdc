-- Every day of some versions, in the log or counted before. Reads modelVersionEvents, entityMetricDaily; writes
-- entityMetricTouched.
INSERT INTO entityMetricTouched (token, entityType, metricType, day, entityId)
SELECT DISTINCT {token:UInt64}, 'ModelVersion', 'Download', day, entityId
FROM
(
    SELECT toDate32(time, 'UTC') AS day, toUInt32(modelVersionId) AS entityId
    FROM modelVersionEvents
    WHERE type = 'Download' AND modelVersionId IN {entities:Array(Int32)}
    UNION ALL
    SELECT day, entityId
    FROM entityMetricDaily
    WHERE entityType = 'ModelVersion' AND metricType = 'Download' AND entityId IN {entities:Array(Int32)}
)
