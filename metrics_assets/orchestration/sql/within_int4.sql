-- Reads: the rows of an output that moved last, by its index on updatedAt. Writes nothing.
-- One row: rows looked at, rows with a counter outside int4, some of their keys, the largest counter.
-- The application's column may be wider than int4; what reads it is not.
SELECT count(*),
       count(*) FILTER (WHERE largest > 2147483647 OR smallest < -2147483648),
       coalesce(
           (array_agg(key_text) FILTER (WHERE largest > 2147483647 OR smallest < -2147483648))[1:20], '{{}}'),
       coalesce(max(largest), 0)
FROM (
    SELECT {key_text} AS key_text,
           greatest({counters})::bigint AS largest,
           least({counters})::bigint AS smallest
    FROM {output}
    ORDER BY "updatedAt" DESC
    LIMIT {row_limit}
) recent;
