-- Keeps the values of a batch that were left out. Writes: metrics.job_rejected_value.
-- Safe to repeat: a value that was left out before is counted once more.
INSERT INTO metrics.job_rejected_value AS kept (run_id, client_id, metric, value, reason, times)
SELECT run_id, client_id, metric, value, reason, count(*)
FROM unnest(%(run_ids)s::text[], %(client_ids)s::text[], %(metrics)s::text[], %(values)s::text[], %(reasons)s::text[])
    AS found (run_id, client_id, metric, value, reason)
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (run_id, client_id, metric, value, reason)
DO UPDATE SET times = kept.times + excluded.times, rejected_at = excluded.rejected_at
