-- Tables as they are now, by metadata only: a row for each table, with its id and partition key, and one for each part that
-- holds rows. A part's block numbers say which inserts it holds. A grouping in SQL would take as long as the reading.
SELECT 'table' AS kind, database, name AS of, toString(uuid) AS name, partition_key AS partition,
       toInt64(0) AS first_block, toInt64(0) AS last_block, toUInt64(0) AS row_count, toUInt64(0) AS data_version, '' AS contents
FROM system.tables
WHERE database IN {databases:Array(String)} AND system.tables.name IN {tables:Array(String)}
UNION ALL
SELECT 'part', database, table, name, partition_id,
       min_block_number, max_block_number, rows, data_version, hash_of_all_files
FROM system.parts
WHERE active AND rows > 0 AND database IN {databases:Array(String)} AND table IN {tables:Array(String)}
