-- Makes the runs that updates name and nobody has started. Reads, writes: metrics.job_run.
-- Safe to repeat: a run that is there stays as it is.
INSERT INTO metrics.job_run (run_id, started_at)
SELECT run_id, started_at
FROM unnest(%(run_ids)s::text[], %(started_at)s::timestamptz[]) AS named (run_id, started_at)
ORDER BY run_id
ON CONFLICT (run_id) DO NOTHING
