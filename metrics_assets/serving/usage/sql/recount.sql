-- Uses of some days, from the log; what a day has none left of becomes zero. Reads modelUsage, modelUsageDaily; writes
-- modelUsageDaily. Absolute, so safe to repeat.
INSERT INTO modelUsageDaily (day, modelId, feature, total, version)
SELECT day, modelId, feature, sum(total), {version:UInt64}
FROM
(
    SELECT toDate32(first.1, 'UTC') AS day, first.2 AS modelId, toString(first.3) AS feature, toInt64(count()) AS total
    FROM
    (
        SELECT min((timestamp, modelId, toString(feature))) AS first
        FROM modelUsage
        WHERE eventId IN (SELECT eventId FROM modelUsage WHERE toDate32(timestamp, 'UTC') IN {days:Array(Date32)})
        GROUP BY eventId
    )
    WHERE day IN {days:Array(Date32)}
    GROUP BY day, modelId, feature
    UNION ALL
    SELECT day, modelId, toString(feature), toInt64(0) FROM modelUsageDaily WHERE day IN {days:Array(Date32)}
)
GROUP BY day, modelId, feature
