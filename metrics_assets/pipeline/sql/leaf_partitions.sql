-- The partitions of a partitioned table that hold rows, as quoted names; none for a plain table. Parameter: the quoted name.
SELECT p.relid::regclass::text, c.relname
FROM pg_partition_tree(to_regclass(%s)::oid::regclass) p
JOIN pg_class c ON c.oid = p.relid
WHERE p.isleaf AND p.level > 0
ORDER BY 1
