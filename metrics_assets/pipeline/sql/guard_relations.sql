-- A table and all its partitions, as quoted names. Parameters: the quoted name, twice.
SELECT relid::regclass::text FROM pg_partition_tree(to_regclass(%s)::oid::regclass)
UNION
SELECT to_regclass(%s)::text
ORDER BY 1
