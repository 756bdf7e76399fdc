-- What each of our tables holds. Without a partition: its highest version, 0 when it holds none from the given one on; read
-- through the minmax indexes on version, which leave next to nothing to read. Of each partition: how many block numbers its
-- parts cover, by metadata only. Inserts and merges only add to these; a part that is lost takes its own along.
SELECT 'entityMetricEvents', '', max(version) FROM entityMetricEvents WHERE version >= {entityMetricEvents:UInt64}
UNION ALL
SELECT 'entityMetricDaily', '', max(version) FROM entityMetricDaily WHERE version >= {entityMetricDaily:UInt64}
UNION ALL
SELECT 'entityMetricTotals', '', max(version) FROM entityMetricTotals WHERE version >= {entityMetricTotals:UInt64}
UNION ALL
SELECT 'modelUsageDaily', '', max(version) FROM modelUsageDaily WHERE version >= {modelUsageDaily:UInt64}
UNION ALL
SELECT table, partition_id, toUInt64(sum(max_block_number - min_block_number + 1))
FROM system.parts
WHERE active AND rows > 0 AND NOT startsWith(partition_id, 'patch-') AND database = currentDatabase() AND table IN {tables:Array(String)}
GROUP BY table, partition_id
