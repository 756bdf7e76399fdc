-- Writes the client runs of a batch, absolute: their rows are locked since they were read. Writes: metrics.job_client_run.
UPDATE metrics.job_client_run AS row
SET
    status = new.status,
    status_at = coalesce(new.status_at, '-infinity'),
    reopened_at = new.reopened_at,
    notes = new.notes,
    updated_at = clock_timestamp(){assignments}
FROM unnest(
    %(run_ids)s::text[], %(client_ids)s::text[], %(status)s::text[], %(status_at)s::timestamptz[],
    %(reopened_at)s::timestamptz[], %(notes)s::text[]{arrays}
) AS new (run_id, client_id, status, status_at, reopened_at, notes{columns})
WHERE row.run_id = new.run_id AND row.client_id = new.client_id
