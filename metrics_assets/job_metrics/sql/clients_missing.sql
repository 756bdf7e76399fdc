-- Makes the client runs of a batch that are not there yet. Writes: metrics.job_client_run.
-- Before their rows are locked (clients_lock.sql), and in the order of the key: two batches never wait for each other.
INSERT INTO metrics.job_client_run (run_id, client_id)
SELECT run_id, client_id
FROM unnest(%(run_ids)s::text[], %(client_ids)s::text[]) AS named (run_id, client_id)
ORDER BY 1, 2
ON CONFLICT (run_id, client_id) DO NOTHING
