-- Runs with their figures, the newest first. Reads: metrics.job_run.
SELECT
    run_id, job_name, status, requested_at, started_at, finished_at, worker, labels, notes,
    clients, clients_completed, clients_failed, aggregated_at{columns}
FROM metrics.job_run
WHERE (%(run_id)s::text IS NULL OR run_id = %(run_id)s)
    AND (%(job_name)s::text IS NULL OR job_name = %(job_name)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(first)s::timestamptz IS NULL OR started_at >= %(first)s)
    AND (%(end)s::timestamptz IS NULL OR started_at < %(end)s)
ORDER BY started_at DESC, run_id DESC
LIMIT %(limit)s
