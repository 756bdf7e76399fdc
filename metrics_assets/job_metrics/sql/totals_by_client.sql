-- Per job, client and UTC day of the runs' start: client runs, how they ended, and the figures.
-- Reads: metrics.job_run, job_client_run.
SELECT
    (run.started_at AT TIME ZONE 'UTC')::date AS day, run.job_name, client.client_id,
    count(*), count(*) FILTER (WHERE client.status = 'Completed'), count(*) FILTER (WHERE client.status = 'Failed'){aggregates}
FROM metrics.job_run AS run
JOIN metrics.job_client_run AS client USING (run_id)
WHERE run.started_at >= %(first)s AND run.started_at < %(end)s
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
