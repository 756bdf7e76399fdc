-- Reads: the batches that ClickHouse has not acknowledged, by their partial index. Writes nothing.
-- One row: batches, rows in them, seconds since the oldest was sealed.
SELECT count(*),
       coalesce(sum(event_rows + total_rows), 0)::bigint,
       coalesce(extract(epoch FROM clock_timestamp() - min(sealed_at)), 0)::double precision
FROM metrics.batch
WHERE forwarded_at IS NULL;
