-- Take captured changes of one source: what is left of all old and new images of a row once equal ones cancel out is
-- the image before (-1) and the image after (+1). The order of the changes does not matter: an application's trigger that
-- changes the row again is captured before the statement that fired it.
-- Images that cancel out stay with side 0: a rebuild may have read the row like that in between, and ClickHouse has to
-- hear that it is not so. A row that ends as it began is before and after what it is now.
-- Reads and deletes {outbox}, reads {table} by key; writes {image}. A rollback puts everything back.
WITH gone AS (
    DELETE FROM {outbox} o WHERE {chosen} RETURNING o.*
), images (side, {key}, {columns}) AS (
    SELECT -1, {key}, {old_columns} FROM gone WHERE op <> 'I'
    UNION ALL
    SELECT 1, {key}, {new_columns} FROM gone WHERE op <> 'D'
)
INSERT INTO {image} (side, {key}, {columns})
SELECT sign(sum(side)), {key}, {columns}
FROM images
GROUP BY {key}, {columns};

INSERT INTO {image} (side, {key}, {columns})
SELECT both_sides.side, live.*
FROM (SELECT {key} FROM {image} GROUP BY {key} HAVING bool_and(side = 0)) i
CROSS JOIN LATERAL (SELECT {s_columns} FROM {table} s WHERE {i_is_s} LIMIT 1) live
CROSS JOIN (VALUES (-1), (1)) AS both_sides (side);
