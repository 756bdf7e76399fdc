-- Parts of a log that hold blocks which no tick has counted, as this transaction's snapshot sees it. A partition whose
-- parts hold as many rows as were counted has none, whatever numbers its merged parts carry. Under patches of lightweight
-- updates that no tick has counted, all of a partition's parts show something else than was counted.
-- Reads: metrics.log_cursor, and the parts given as arrays.

SELECT part.name
FROM (
    SELECT *, sum(row_count) OVER (PARTITION BY partition_id) AS partition_rows
    FROM unnest(%(names)s::text[], %(partitions)s::text[], %(first)s::bigint[], %(last)s::bigint[], %(rows)s::bigint[])
        AS part (name, partition_id, first_block, last_block, row_count)
) AS part
LEFT JOIN metrics.log_cursor AS cursor
    ON cursor.log = %(log)s AND cursor.partition_id = part.partition_id
LEFT JOIN (
    SELECT partition_id, array_agg(patch ORDER BY patch COLLATE "C") AS patches
    FROM unnest(%(patched)s::text[], %(patches)s::text[]) AS patch (partition_id, patch)
    GROUP BY partition_id
) AS patch ON patch.partition_id = part.partition_id
WHERE (
    part.partition_rows <> coalesce(cursor.row_count, 0)
    AND NOT coalesce(cursor.blocks @> int8range(part.first_block, part.last_block, '[]'), false)
) OR coalesce(patch.patches, '{{}}') <> coalesce(cursor.patches, '{{}}')
