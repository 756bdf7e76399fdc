-- The highest version that each of our tables holds, 0 when it holds none from the given one on; read through the minmax
-- indexes on version, which leave next to nothing to read, and grow with the tables.
SELECT 'entityMetricEvents', max(version) FROM entityMetricEvents WHERE version >= {entityMetricEvents:UInt64}
UNION ALL
SELECT 'entityMetricDaily', max(version) FROM entityMetricDaily WHERE version >= {entityMetricDaily:UInt64}
UNION ALL
SELECT 'entityMetricTotals', max(version) FROM entityMetricTotals WHERE version >= {entityMetricTotals:UInt64}
UNION ALL
SELECT 'modelUsageDaily', max(version) FROM modelUsageDaily WHERE version >= {modelUsageDaily:UInt64}
