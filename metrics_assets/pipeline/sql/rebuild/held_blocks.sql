-- Of each partition of our tables, by metadata only: how many block numbers its parts cover, and a hash of what they hold, with
-- mutations. Inserts and merges only add to the first; a part that is lost takes its own along.
SELECT table, partition_id, toUInt64(sum(max_block_number - min_block_number + 1)),
       toString(groupBitXor(sipHash64(name, hash_of_all_files)))
FROM system.parts
WHERE active AND rows > 0 AND database = currentDatabase() AND table IN {tables:Array(String)}
GROUP BY table, partition_id
