-- Takes the idempotency keys of a batch; returns those that nobody had taken. Writes: metrics.job_client_update.
-- Safe to repeat: that is what it is for. A key that another transaction is taking is waited for.
INSERT INTO metrics.job_client_update (run_id, client_id, idempotency_key)
SELECT DISTINCT run_id, client_id, idempotency_key
FROM unnest(%(run_ids)s::text[], %(client_ids)s::text[], %(keys)s::text[]) AS taken (run_id, client_id, idempotency_key)
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
RETURNING run_id, client_id, idempotency_key
