-- What the latest tick of these passes left undone: the stores that did not take their part, and `time` where it ended before
-- its work did. Reads metrics.ledger.
SELECT DISTINCT why
FROM unnest(%(passes)s::text[]) AS pass
CROSS JOIN LATERAL (
    SELECT outcome, detail
    FROM metrics.ledger
    WHERE set_name = pass AND mode = 'tick'
    ORDER BY id DESC
    LIMIT 1
) AS latest
CROSS JOIN (VALUES ('clickhouse'), ('redis'), ('time')) AS undone (why)
WHERE latest.detail ? why OR latest.outcome = why || ' away'
   OR (why = 'time' AND latest.outcome = 'backlog left' AND NOT latest.detail ? 'rows locked by others')
