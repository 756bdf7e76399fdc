-- Ends the client runs of a run whose worker is gone, as failed. Writes: metrics.job_client_run.
-- Safe to repeat: those that have ended stay as they are.
UPDATE metrics.job_client_run
SET
    status = 'Failed',
    status_at = %(at)s,
    end_time = coalesce(end_time, updated_at),
    notes = concat_ws(E'\n', nullif(notes, ''), %(reason)s::text),
    updated_at = clock_timestamp()
WHERE run_id = %(run_id)s AND status = 'In Progress'
