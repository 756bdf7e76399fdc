-- Contributions of a range of days that the sources no longer have: everything they have was just written with this
-- version, so what is older is gone. A newer version, captured meanwhile, wins over the zero.
-- Reads and writes entityMetricEvents; `recorded` and `opening` have no source table and are left alone.
INSERT INTO entityMetricEvents
    (entityType, metricType, day, entityId, eventKey, userId, metricValue, createdAt, version, source)
SELECT entityType, metricType, day, entityId, eventKey, argMax(userId, version), 0, argMax(createdAt, version),
       {version:UInt64}, argMax(source, version)
FROM entityMetricEvents
WHERE day BETWEEN {first:Date32} AND {last:Date32} AND source IN {sources:Array(String)}
GROUP BY entityType, metricType, day, entityId, eventKey
HAVING max(version) < {version:UInt64} AND argMax(metricValue, version) != 0
