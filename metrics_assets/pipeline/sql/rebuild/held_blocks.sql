-- How many block numbers the parts of each partition of our tables cover, by metadata only. Inserts and merges only add to
-- these; a part that is lost takes its own along.
SELECT table, partition_id, toUInt64(sum(max_block_number - min_block_number + 1))
FROM system.parts
WHERE active AND rows > 0 AND NOT startsWith(partition_id, 'patch-') AND database = currentDatabase() AND table IN {tables:Array(String)}
GROUP BY table, partition_id
