-- Before a whole table is recounted: rows that cannot be counted are kept aside (drain/reject.sql sees captured rows only,
-- and a first load or broken capture captured none of these), and rejected rows that are gone are forgotten.
-- Reads {table}; writes metrics.rejected.
DELETE FROM metrics.rejected r
WHERE r.source = {source}
  AND NOT EXISTS (SELECT FROM {table} s WHERE {uncountable} AND {s_key_text} = r.source_key);

INSERT INTO metrics.rejected (source, source_key, reason, value, due_at)
SELECT {source}, {s_key_text},
       'createdAt is more than a day ahead',
       (SELECT to_jsonb(row_image) FROM (SELECT {s_columns}) row_image),
       {created_at} - interval '1 day'
FROM {table} s
WHERE {uncountable}
ON CONFLICT (source, source_key) DO UPDATE SET (value, due_at) = ROW (excluded.value, excluded.due_at)
    WHERE (rejected.value, rejected.due_at) IS DISTINCT FROM (excluded.value, excluded.due_at);
