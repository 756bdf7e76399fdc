-- Reads: the keys of an output that moved last, by its index on updatedAt, then all rows of each of them, by its
-- key. Writes nothing.
-- One row: keys looked at, keys with more than one row, some of them.
SELECT count(*),
       count(*) FILTER (WHERE key_rows > 1),
       coalesce((array_agg(key_text) FILTER (WHERE key_rows > 1))[1:20], '{{}}')
FROM (
    SELECT {recent_key_text} AS key_text, twins.key_rows
    FROM (
        SELECT DISTINCT {key}
        FROM (SELECT {key} FROM {output} ORDER BY "updatedAt" DESC LIMIT {row_limit}) moved
    ) recent
    CROSS JOIN LATERAL (SELECT count(*) AS key_rows FROM {output} o WHERE {same_key}) twins
) counted;
