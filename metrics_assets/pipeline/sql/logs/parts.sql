-- The parts of a log that hold rows, as they are now, by metadata only. Block numbers say which inserts a part holds.
-- A part that no mutation went through has its first block as data version. Where one did, a later merge may have put
-- blocks into the part that came after the mutation.
SELECT name, partition_id, min_block_number, max_block_number, rows,
       if(data_version > min_block_number, data_version, 0), hash_of_all_files
FROM system.parts
WHERE active AND rows > 0 AND database = {database:String} AND table = {table:String}
ORDER BY partition_id, min_block_number
