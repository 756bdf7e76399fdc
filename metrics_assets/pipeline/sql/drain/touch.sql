-- Rows that count otherwise than before although nobody changed them are before and after what they are now.
-- Reads {table}, {image}; writes {image}.
INSERT INTO {image} (side, {key}, {columns})
SELECT both_sides.side, {s_columns}
FROM {table} s
CROSS JOIN (VALUES (-1), (1)) AS both_sides (side)
WHERE {touched} AND NOT EXISTS (SELECT FROM {image} i WHERE {i_is_s})
