-- A log as it is now, by metadata only, in one row: id and partition key of its table, and its parts that hold rows. The
-- table is looked at first, as a subquery of one value is: when it is exchanged in between, the next look sees another.
-- Block numbers say which inserts a part holds. A part that no mutation went through has its first block as data version.
-- Where one did, a later merge may have put blocks into the part that came after the mutation.
SELECT
    (
        SELECT groupArray((toString(uuid), partition_key))
        FROM system.tables
        WHERE database = {database:String} AND name = {table:String}
    ) AS found_table,
    arraySort(part -> (part.2, part.3), groupArray((
        name, partition_id, min_block_number, max_block_number, rows,
        if(data_version > min_block_number, data_version, 0), hash_of_all_files
    ))) AS found_parts
FROM system.parts
WHERE active AND rows > 0 AND database = {database:String} AND table = {table:String}
