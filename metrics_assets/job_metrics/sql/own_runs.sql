-- What every asset did in some Dagster runs, from the ledger. Reads: metrics.ledger.
WITH own AS (
    SELECT run_id FROM unnest(%(run_ids)s::text[]) AS named (run_id)
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
