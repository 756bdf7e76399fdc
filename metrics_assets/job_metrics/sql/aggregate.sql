-- Recomputes the figures of a run from its client runs. Reads: metrics.job_client_run. Writes: metrics.job_run.
-- Safe to repeat: nothing is added to what was there. The run's lock is held exclusively, so that no update is under way,
-- and this statement's snapshot, taken after the wait, sees them all. A session that may not see every client writes nothing.
UPDATE metrics.job_run AS run
SET
    clients = totals.clients,
    clients_completed = totals.clients_completed,
    clients_failed = totals.clients_failed,
    aggregated_at = clock_timestamp(){assignments}
FROM (
    SELECT
        count(*) AS clients,
        count(*) FILTER (WHERE status = 'Completed') AS clients_completed,
        count(*) FILTER (WHERE status = 'Failed') AS clients_failed{aggregates}
    FROM metrics.job_client_run
    WHERE run_id = %(run_id)s
) AS totals
WHERE run.run_id = %(run_id)s AND metrics.sees_all_clients()
RETURNING run.run_id
