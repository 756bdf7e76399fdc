-- A log as it is now, by metadata only, in one row: id and partition key of its table, its parts that hold rows, and the
-- patches that lie over them. The
-- table is looked at first, as a subquery of one value is: when it is exchanged in between, the next look sees another.
-- Block numbers say which inserts a part holds. A part that no mutation went through has its first block as data version.
-- Where one did, a later merge may have put blocks into the part that came after the mutation.
-- A lightweight UPDATE or DELETE leaves those parts as they are and adds a patch, a part in a partition that is named
-- patch-<hash of its columns>-<partition that it changes>. It holds no rows of its own.
SELECT
    (
        SELECT groupArray((toString(uuid), partition_key))
        FROM system.tables
        WHERE database = {database:String} AND name = {table:String}
    ) AS found_table,
    arraySort(part -> (part.2, part.3), groupArrayIf((
        name, partition_id, min_block_number, max_block_number, rows,
        if(data_version > min_block_number, data_version, 0), hash_of_all_files
    ), NOT match(partition_id, '^patch-[0-9a-f]+-'))) AS found_parts,
    arraySort(groupArrayIf(
        (replaceRegexpOne(partition_id, '^patch-[0-9a-f]+-', ''), name || ' ' || hash_of_all_files),
        match(partition_id, '^patch-[0-9a-f]+-')
    )) AS found_patches
FROM system.parts
WHERE active AND rows > 0 AND database = {database:String} AND table = {table:String}
