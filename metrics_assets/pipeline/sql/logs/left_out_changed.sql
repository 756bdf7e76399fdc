-- Who is excluded now and was not when the log was counted, or the other way round; with those whose rows a count that was
-- cut short left uncounted. Reads metrics.excluded_user, log_left_out.
SELECT user_id, e.user_id IS NOT NULL AS left_out
FROM (SELECT * FROM metrics.log_left_out WHERE log = {log}) l
FULL JOIN metrics.excluded_user e USING (user_id)
WHERE coalesce(l.left_out, false) <> (e.user_id IS NOT NULL) OR NOT l.counted
