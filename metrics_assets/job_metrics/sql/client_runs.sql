-- What a run did for its clients. Reads: metrics.job_client_run.
SELECT run_id, client_id, status, notes, created_at, updated_at, steps{columns}
FROM metrics.job_client_run
WHERE run_id = %(run_id)s AND (%(client_id)s::text IS NULL OR client_id = %(client_id)s)
ORDER BY client_id
