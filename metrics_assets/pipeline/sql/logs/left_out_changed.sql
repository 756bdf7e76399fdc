-- Whether left_out.sql would find anybody. Reads metrics.excluded_user, log_left_out.
SELECT EXISTS (
    SELECT FROM (SELECT * FROM metrics.log_left_out WHERE log = {log}) l
    FULL JOIN metrics.excluded_user e USING (user_id)
    WHERE coalesce(l.left_out, false) <> (e.user_id IS NOT NULL) OR NOT l.counted
)
