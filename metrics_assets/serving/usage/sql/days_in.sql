-- Days between two, both included, that the log or the rollup has rows of. Reads modelUsage, modelUsageDaily.
SELECT DISTINCT day
FROM
(
    SELECT toDate32(timestamp, 'UTC') AS day FROM modelUsage
    WHERE toDate32(timestamp, 'UTC') BETWEEN {first:Date32} AND {last:Date32}
    UNION ALL
    SELECT day FROM modelUsageDaily WHERE day BETWEEN {first:Date32} AND {last:Date32}
)
ORDER BY day
