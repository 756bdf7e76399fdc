-- Rejected rows whose time has come enter the outbox again, as they are in the source now.
-- Reads metrics.rejected, {table}; writes {outbox}.
INSERT INTO {outbox} (op, {key}, {new_columns})
SELECT 'I', {s_key}, {s_columns}
FROM metrics.rejected r
JOIN {table} s ON {s_is_r}
WHERE r.source = {source} AND r.due_at <= localtimestamp
  AND NOT EXISTS (SELECT FROM {outbox} o WHERE {o_is_s})
