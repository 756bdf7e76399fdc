-- What every asset did in the Dagster runs of some days, from the ledger. Reads: metrics.ledger, job_run, job_run_alias.
-- A run that is told of and has ended says nothing new: it is left out unless `again`.
WITH own AS (
    SELECT DISTINCT ledger.run_id
    FROM metrics.ledger
    WHERE ledger.started_at >= %(first)s AND ledger.started_at < %(end)s AND ledger.run_id ~ '^[0-9a-f]{{8}}-[0-9a-f-]{{27}}$'
        AND (%(again)s OR NOT EXISTS (
            SELECT FROM metrics.job_run_alias AS alias
            JOIN metrics.job_run AS run USING (run_id)
            WHERE alias.alias = ledger.run_id AND run.status <> 'In Progress'))
), steps AS (
    SELECT run_id, set_name, jsonb_object_agg(step, seconds) AS steps, sum(seconds) AS seconds
    FROM (
        SELECT run_id, set_name, key AS step, sum(value::double precision) AS seconds
        FROM own JOIN metrics.ledger USING (run_id) CROSS JOIN jsonb_each_text(ledger.steps)
        GROUP BY 1, 2, 3
    ) AS each_step
    GROUP BY 1, 2
)
SELECT
    run_id,
    set_name,
    (array_agg(mode ORDER BY id DESC))[1],
    (array_agg(outcome ORDER BY id DESC))[1],
    coalesce((array_agg(detail ->> 'error' ORDER BY id DESC))[1], ''),
    min(started_at),
    max(finished_at),
    sum(entities_changed),
    sum(rows_read),
    sum(rows_written),
    (array_agg(backlog_before ORDER BY id))[1],
    (array_agg(backlog_after ORDER BY id DESC))[1],
    sum(ledger.seconds),
    coalesce(max(steps.seconds), 0),
    coalesce((array_agg(steps.steps))[1], '{{}}')
FROM own
JOIN metrics.ledger USING (run_id)
LEFT JOIN steps USING (run_id, set_name)
GROUP BY run_id, set_name
ORDER BY min(started_at), set_name
