-- Totals of the rollup since a day, except some days, that differ from the log, counted by another road than recount.sql:
-- an event counts on a day when no delivery of it lies before its first one there. Reads modelUsage, modelUsageDaily.
SELECT day, modelId, feature, sum(stored) AS stored_total, sum(counted) AS counted_total
FROM
(
    SELECT day, modelId, toString(feature) AS feature, argMax(total, version) AS stored, 0 AS counted
    FROM modelUsageDaily
    WHERE day >= {first:Date32} AND day NOT IN {except:Array(Date32)}
    GROUP BY day, modelId, feature
    UNION ALL
    SELECT day, modelId, feature, 0, toInt64(uniqExact(eventId))
    FROM
    (
        SELECT eventId, toDate32(timestamp, 'UTC') AS day, modelId, toString(feature) AS feature
        FROM modelUsage
        WHERE toDate32(timestamp, 'UTC') >= {first:Date32}
        ORDER BY timestamp, modelId, feature
        LIMIT 1 BY eventId
    )
    -- after the first delivery was found: an event of such a day does not count on the day of a later delivery
    WHERE day NOT IN {except:Array(Date32)}
      AND eventId NOT IN (SELECT eventId FROM modelUsage WHERE toDate32(timestamp, 'UTC') < {first:Date32})
    GROUP BY day, modelId, feature
)
GROUP BY day, modelId, feature
