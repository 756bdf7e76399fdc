-- Shares the runs with other updates until the end of the transaction; who completes or aggregates one waits for them.
-- An advisory lock and not one of the row: waiters are served in turn, so a steady stream of updates keeps nobody out.
SELECT pg_advisory_xact_lock_shared(%(lock_class)s, hashtext(run_id))
FROM (SELECT run_id FROM unnest(%(run_ids)s::text[]) AS named (run_id) ORDER BY hashtext(run_id)) AS sorted
