-- Locks the client runs of a batch in the order of the key, and reads what the batch changes.
SELECT row.run_id, row.client_id, row.status, nullif(row.status_at, '-infinity'), row.reopened_at, row.notes{columns}
FROM unnest(%(run_ids)s::text[], %(client_ids)s::text[]) AS named (run_id, client_id)
JOIN metrics.job_client_run AS row USING (run_id, client_id)
ORDER BY row.run_id, row.client_id
FOR UPDATE OF row
