-- Begins a run under an id that nobody has: the second, with the lowest suffix above those in use. Writes: metrics.job_run.
-- No row comes back when another process took the id in the same moment; then it is run again, and sees the other's.
INSERT INTO metrics.job_run (run_id, job_name, requested_at, started_at, silence_allowed, worker, labels)
SELECT
    %(second)s::text || CASE WHEN taken.highest IS NULL THEN '' ELSE '.' || (taken.highest + 1) END,
    %(job_name)s, %(requested_at)s, %(started_at)s, %(silence)s, %(worker)s, %(labels)s
FROM (
    SELECT max(coalesce(nullif(split_part(run_id, '.', 2), ''), '1')::bigint) AS highest
    FROM metrics.job_run
    WHERE run_id = %(second)s OR (run_id > %(second)s || '.' AND run_id < %(second)s || '/')
) AS taken
ON CONFLICT (run_id) DO NOTHING
RETURNING run_id
