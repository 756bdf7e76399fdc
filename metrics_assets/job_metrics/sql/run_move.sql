-- Gives a run a new status. Its row is locked, and whether the status moves is decided. Writes: metrics.job_run.
UPDATE metrics.job_run
SET
    status = %(status)s,
    status_at = %(at)s,
    reopened_at = %(reopened_at)s,
    finished_at = CASE WHEN %(status)s = 'In Progress' THEN NULL ELSE greatest(%(at)s, started_at) END,
    notes = coalesce(%(notes)s, notes),
    seen_at = clock_timestamp()
WHERE run_id = %(run_id)s
