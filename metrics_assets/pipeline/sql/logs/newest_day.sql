-- The newest version among the days of a metric, of those from `known` on; 0 when there is none. Reads entityMetricDaily by
-- its ranges of versions.
SELECT max(version)
FROM entityMetricDaily
WHERE entityType = {entity:String} AND metricType = {metric:String} AND version >= {known:UInt64}
