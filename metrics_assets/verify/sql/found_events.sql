-- Runs in ClickHouse. Contributions summed by leaf, metric and day, the latest version of each contribution. The log
-- metrics have no contributions here: their log holds them. Reads: entityMetricEvents.

SELECT
    entityType,
    entityId,
    metricType,
    day,
    sum(latest_value) AS total
FROM (
    SELECT
        entityType,
        metricType,
        day,
        entityId,
        eventKey,
        argMax(metricValue, version) AS latest_value
    FROM entityMetricEvents
    WHERE {of_these_entities}
      AND (entityType, metricType) IN ({metrics})
      AND day <= toDate32('{last_day}')
    GROUP BY entityType, metricType, day, entityId, eventKey
)
GROUP BY entityType, metricType, day, entityId
HAVING total <> 0
SETTINGS optimize_aggregation_in_order = 1
