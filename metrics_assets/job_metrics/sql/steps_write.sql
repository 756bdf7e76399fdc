-- Keeps the seconds by step of this project's own runs. Writes: metrics.job_client_run. Safe to repeat: it sets.
UPDATE metrics.job_client_run AS row
SET steps = new.steps
FROM unnest(%(run_ids)s::text[], %(client_ids)s::text[], %(steps)s::jsonb[]) AS new (run_id, client_id, steps)
WHERE row.run_id = new.run_id AND row.client_id = new.client_id AND row.steps IS DISTINCT FROM new.steps
