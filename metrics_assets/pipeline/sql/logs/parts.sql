-- Tables as they are now, by metadata only, in one row: their ids and partition keys, and the parts that hold rows. A part's
-- block numbers say which inserts it holds. Sorted and told apart by the reader: in SQL that takes as long as the reading.
-- A tuple of columns alone would have their names, under some profiles, and be read as a dictionary.
-- The tables are looked at first, as a subquery of one value is: when one is exchanged in between, the next look sees another.
SELECT
    (
        SELECT groupArray((database, name, toString(uuid), partition_key))
        FROM system.tables
        WHERE database IN {databases:Array(String)} AND name IN {tables:Array(String)}
    ),
    groupArray((
        database, table,
        toString(name), partition_id, min_block_number, max_block_number, rows, data_version, hash_of_all_files
    ))
FROM system.parts
WHERE active AND rows > 0 AND database IN {databases:Array(String)} AND table IN {tables:Array(String)}
