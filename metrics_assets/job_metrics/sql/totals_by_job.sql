-- Per job and UTC day of its runs' start: runs, how they ended, client runs, and the figures. Reads: metrics.job_run.
SELECT
    (run.started_at AT TIME ZONE 'UTC')::date AS day, run.job_name, ''::text AS client_id,
    count(*), count(*) FILTER (WHERE status = 'Completed'), count(*) FILTER (WHERE status = 'Failed'){aggregates}
FROM metrics.job_run AS run
WHERE run.started_at >= %(first)s AND run.started_at < %(end)s
GROUP BY 1, 2
ORDER BY 1, 2
