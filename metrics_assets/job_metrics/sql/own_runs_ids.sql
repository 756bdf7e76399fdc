-- Dagster runs that wrote to the ledger in some days, and those of sets that are job runs in progress, whenever they began.
-- Reads: metrics.ledger, job_run, job_run_alias. A run that has ended says nothing new: it is left out unless `again`.
SELECT DISTINCT ledger.run_id
FROM metrics.ledger
WHERE ledger.started_at >= %(first)s AND ledger.started_at < %(end)s AND ledger.run_id ~ '^[0-9a-f]{{8}}-[0-9a-f-]{{27}}$'
    AND (%(again)s OR NOT EXISTS (
        SELECT FROM metrics.job_run_alias AS alias
        JOIN metrics.job_run AS run USING (run_id)
        WHERE alias.alias = ledger.run_id AND run.status <> 'In Progress'))
UNION
SELECT alias.alias
FROM metrics.job_run AS run
JOIN metrics.job_run_alias AS alias USING (run_id)
WHERE run.status = 'In Progress' AND run.labels ?& ARRAY[%(mode)s, %(set)s]
