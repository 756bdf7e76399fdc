-- Stores that did not take their part in the latest tick of these passes. Reads metrics.ledger.
SELECT DISTINCT store
FROM unnest(%(passes)s::text[]) AS pass
CROSS JOIN LATERAL (
    SELECT outcome, detail
    FROM metrics.ledger
    WHERE set_name = pass AND mode = 'tick'
    ORDER BY id DESC
    LIMIT 1
) AS latest
CROSS JOIN (VALUES ('clickhouse'), ('redis')) AS stores (store)
WHERE latest.detail ? store OR latest.outcome = store || ' away'
