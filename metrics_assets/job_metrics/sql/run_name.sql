-- Gives a run that is there, or that updates made, what is known of it when it starts. Writes: metrics.job_run.
-- Safe to repeat: the same start says the same. No row comes back when it is a run of another job, unless `rename`.
INSERT INTO metrics.job_run AS run (run_id, job_name, requested_at, started_at, silence_allowed, worker, labels)
VALUES (%(run_id)s, %(job_name)s, %(requested_at)s, %(started_at)s, %(silence)s, %(worker)s, %(labels)s)
ON CONFLICT (run_id) DO UPDATE SET
    job_name = excluded.job_name,
    requested_at = coalesce(excluded.requested_at, run.requested_at),
    started_at = least(excluded.started_at, run.started_at),
    silence_allowed = excluded.silence_allowed,
    worker = coalesce(excluded.worker, run.worker),
    labels = run.labels || excluded.labels,
    seen_at = now()
WHERE %(rename)s OR run.job_name IN ('unnamed', excluded.job_name)
RETURNING run_id
