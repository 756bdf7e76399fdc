-- The highest version above {known} in ClickHouse, 0 when there is none. Reads our tables through their minmax indexes
-- on version, which leave next to nothing to read.
SELECT max(newest)
FROM
(
    SELECT max(version) AS newest FROM entityMetricEvents WHERE version > {known:UInt64}
    UNION ALL
    SELECT max(version) AS newest FROM entityMetricDaily WHERE version > {known:UInt64}
    UNION ALL
    SELECT max(version) AS newest FROM entityMetricTotals WHERE version > {known:UInt64}
    UNION ALL
    SELECT max(version) AS newest FROM modelUsageDaily WHERE version > {known:UInt64}
)
