-- From now on the log is counted like that. Who waited for it already goes on waiting since then.
-- Reads what left_out_changed.sql does; writes log_left_out.
INSERT INTO metrics.log_left_out AS l (log, user_id, left_out, counted)
SELECT {log}, user_id, left_out, false FROM ({changed}) changed
ON CONFLICT (log, user_id) DO UPDATE
SET left_out = excluded.left_out, counted = false,
    since = CASE WHEN l.left_out <> excluded.left_out THEN now() ELSE l.since END
RETURNING user_id
