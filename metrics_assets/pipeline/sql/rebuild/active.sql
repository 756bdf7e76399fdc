-- Entities that the rollup knows in a range of days; a log may name ids that Postgres cannot hold. Reads entityMetricDaily.
SELECT DISTINCT entityType, entityId
FROM entityMetricDaily
WHERE day BETWEEN {first:Date32} AND {last:Date32} AND entityId BETWEEN 1 AND 2147483647
LIMIT {limit:UInt64}
