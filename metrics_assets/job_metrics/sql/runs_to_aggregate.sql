-- Runs of some days whose clients changed since their totals were computed, or whose totals never were.
-- Reads: metrics.job_run, job_client_run. What an update under way changes is found the next time.
SELECT run.run_id
FROM metrics.job_run AS run
WHERE run.started_at >= %(first)s AND run.started_at < %(end)s
    AND (
        %(again)s OR run.aggregated_at IS NULL OR EXISTS (
            SELECT FROM metrics.job_client_run AS client
            WHERE client.run_id = run.run_id AND client.updated_at > run.aggregated_at - interval '1 minute')
    )
ORDER BY run.run_id
