-- Runs in ClickHouse. Totals of models and versions, the latest version of each. Reads: entityMetricTotals.

SELECT
    entityType,
    entityId,
    metricType,
    argMax(total, version) AS latest_total
FROM entityMetricTotals
WHERE {of_these_entities}
  AND (entityType, metricType) IN ({metrics})
GROUP BY entityType, entityId, metricType
HAVING latest_total <> 0
