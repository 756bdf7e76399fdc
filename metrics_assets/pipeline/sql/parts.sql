-- Tables as they are now, by metadata only, in one row: their id and partition key, their parts that hold rows, and
-- the patches that lie over them, each with the database and table that it is of.
-- The tables are looked at first, as a subquery of one value is: when one is exchanged in between, the next look sees another.
-- Block numbers say which inserts a part holds. A part that no mutation went through has its first block as data version.
-- Where one did, a later merge may have put blocks into the part that came after the mutation.
-- A lightweight UPDATE or DELETE leaves those parts as they are and adds a patch, a part in a partition that is named
-- patch-<hash of its columns>-<partition that it changes>. It holds no rows of its own.
SELECT
    (
        SELECT groupArray(([database, name], (toString(uuid), partition_key)))
        FROM system.tables
        WHERE database IN {databases:Array(String)} AND name IN {tables:Array(String)}
    ) AS found_tables,
    arraySort(part -> (part.2.2, part.2.3), groupArrayIf(([database, table], (
        name, partition_id, min_block_number, max_block_number, rows,
        if(data_version > min_block_number, data_version, 0), hash_of_all_files
    )), NOT match(partition_id, '^patch-[0-9a-f]+-'))) AS found_parts,
    arraySort(groupArrayIf(
        ([database, table], (replaceRegexpOne(partition_id, '^patch-[0-9a-f]+-', ''), name || ' ' || hash_of_all_files)),
        match(partition_id, '^patch-[0-9a-f]+-')
    )) AS found_patches
FROM system.parts
WHERE active AND rows > 0 AND database IN {databases:Array(String)} AND table IN {tables:Array(String)}
