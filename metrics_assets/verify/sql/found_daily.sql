-- Runs in ClickHouse. The daily rollup at the leaves, the latest version of each row. Reads: entityMetricDaily.

SELECT
    entityType,
    entityId,
    metricType,
    day,
    argMax(total, version) AS latest_total
FROM entityMetricDaily
WHERE {of_these_entities}
  AND (entityType, metricType) IN ({metrics})
  AND day <= toDate32('{last_day}')
GROUP BY entityType, metricType, entityId, day
HAVING latest_total <> 0
SETTINGS optimize_aggregation_in_order = 1
