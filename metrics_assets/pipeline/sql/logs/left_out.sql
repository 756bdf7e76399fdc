-- Who is excluded now and was not when the log was counted, or the other way round; with those whose rows a count that was
-- cut short left uncounted. Reads metrics.excluded_user, log_left_out; writes log_left_out.
WITH changed AS (
    INSERT INTO metrics.log_left_out AS l (log, user_id, left_out, counted)
    SELECT {log}, user_id, e.user_id IS NOT NULL, false
    FROM (SELECT user_id, left_out FROM metrics.log_left_out WHERE log = {log}) l
    FULL JOIN metrics.excluded_user e USING (user_id)
    WHERE coalesce(l.left_out, false) <> (e.user_id IS NOT NULL)
    ON CONFLICT (log, user_id) DO UPDATE SET left_out = excluded.left_out, counted = false, since = now()
    RETURNING user_id
)
SELECT user_id FROM changed
UNION
SELECT user_id FROM metrics.log_left_out WHERE log = {log} AND NOT counted
