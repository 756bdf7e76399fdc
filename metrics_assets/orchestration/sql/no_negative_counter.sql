-- Reads: the rows of an output that moved last, by its index on updatedAt. Writes nothing.
-- One row: rows looked at, rows with a negative counter, some of their keys.
SELECT count(*),
       count(*) FILTER (WHERE wrong),
       coalesce((array_agg(key_text) FILTER (WHERE wrong))[1:20], '{{}}')
FROM (
    SELECT {key_text} AS key_text, least({counters}) < 0 AS wrong
    FROM {output}
    ORDER BY "updatedAt" DESC
    LIMIT {row_limit}
) recent;
