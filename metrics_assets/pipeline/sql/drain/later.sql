-- Rows of a source whose changes this drain leaves for the next one, as they were at the last drain: all nulls for a row
-- that did not exist then, or counted nowhere because it was rejected or its user is excluded. Who is excluded has not changed
-- since then: where it has, no row is left. Reads {outbox} after the taken rows are gone, metrics.rejected, excluded_user;
-- writes {later}.
WITH images (side, {key}, {columns}) AS (
    SELECT -1, {key}, {old_columns} FROM {outbox} WHERE op <> 'I'
    UNION ALL
    SELECT 1, {key}, {new_columns} FROM {outbox} WHERE op <> 'D'
), folded AS (
    SELECT sum(side) AS side, {key}, {columns}
    FROM images
    GROUP BY {key}, {columns}
    HAVING sum(side) <> 0
)
INSERT INTO {later} ({key}, {columns})
SELECT DISTINCT ON ({key}) {key}, {columns_before}
FROM folded
LEFT JOIN (SELECT source_key AS rejected_key FROM metrics.rejected WHERE source = {source}) r ON rejected_key = {key_text}
LEFT JOIN (SELECT user_id AS excluded FROM metrics.excluded_user) u ON excluded = {made_by}
ORDER BY {key}, side
