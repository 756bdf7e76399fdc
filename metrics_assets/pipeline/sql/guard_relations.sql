-- A table, all its partitions and all its children by inheritance, as quoted names; nothing when there is no such table.
-- Parameter: the quoted name.
WITH RECURSIVE relation (relid) AS (
    SELECT to_regclass(%s)::oid
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN relation r ON i.inhparent = r.relid
)
SELECT relid::regclass::text FROM relation WHERE relid IS NOT NULL ORDER BY 1
