-- Uses from the log of some days, between two moments, both included. An event whose earliest delivery lies elsewhere
-- does not count here. Reads modelUsage.
SELECT first.2 AS model, first.3 AS feature, toDate32(first.1, 'UTC') AS day, count() AS uses
FROM
(
    SELECT min((timestamp, modelId, toString(feature))) AS first
    FROM modelUsage
    WHERE eventId IN (SELECT eventId FROM modelUsage WHERE toDate32(timestamp, 'UTC') IN {days:Array(Date32)})
    GROUP BY eventId
)
WHERE day IN {days:Array(Date32)}
  AND first.1 >= parseDateTime64BestEffort({start:String}, 3, 'UTC')
  AND first.1 <= parseDateTime64BestEffort({end:String}, 3, 'UTC')
  AND ({model:String} = '' OR model = {model:String})
GROUP BY model, feature, day
