-- Totals of a log's metric move by what its days were counted as, and were before. Reads log_day; writes moved.
CREATE TEMP TABLE moved ON COMMIT DROP AS
SELECT {entity} AS entity_type, entity_id, {metric} AS metric_type, sum(total - stored)::bigint AS difference
FROM log_day
GROUP BY entity_id
HAVING sum(total - stored) <> 0
