-- Users whose rows in a log the pipeline has counted, or left out, otherwise than metrics.excluded_user has it now; not those
-- whom a count has left so for longer than an hour: nobody is working on them.
-- Reads: metrics.excluded_user, metrics.log_left_out.
SELECT coalesce(excluded.user_id, known.user_id)
FROM metrics.excluded_user AS excluded
FULL JOIN (
    SELECT user_id, left_out, counted, since FROM metrics.log_left_out WHERE log = %(log)s
) AS known ON known.user_id = excluded.user_id
WHERE known.user_id IS NULL
   OR (NOT known.counted AND known.since > now() - interval '1 hour')
   OR known.left_out <> (excluded.user_id IS NOT NULL)
