-- The contributions behind some totals: latest version of each, those that count, newest first. Reads entityMetricEvents.
SELECT entityType, entityId, day, createdAt, source, eventKey, userId, value, applied
FROM
(
    SELECT entityType, entityId, day, eventKey,
           argMax(createdAt, version) AS createdAt, argMax(source, version) AS source,
           argMax(userId, version) AS userId, argMax(metricValue, version) AS value, max(version) AS applied
    FROM entityMetricEvents
    WHERE metricType = {metric:String}
      AND ((entityType = {entity:String} AND entityId IN {own:Array(UInt32)})
           OR (entityType = {child:String} AND entityId IN {children:Array(UInt32)}))
    GROUP BY entityType, entityId, day, eventKey
)
WHERE value != 0
ORDER BY createdAt DESC, eventKey
