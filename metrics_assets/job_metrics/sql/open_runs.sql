-- Runs in progress with their last sign of life: a start, a heartbeat, or an update of a client. Reads: metrics.job_run, job_client_run, job_run_alias.
SELECT
    run.run_id, run.job_name, run.worker, seen.last_at, clock_timestamp() - seen.last_at, run.silence_allowed, alias.alias,
    run.labels
FROM metrics.job_run AS run
LEFT JOIN metrics.job_run_alias AS alias ON alias.run_id = run.run_id
CROSS JOIN LATERAL (
    SELECT greatest(run.seen_at, max(client.updated_at)) AS last_at
    FROM metrics.job_client_run AS client
    WHERE client.run_id = run.run_id
) AS seen
WHERE run.status = 'In Progress'
ORDER BY seen.last_at
