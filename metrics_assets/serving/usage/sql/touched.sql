-- Days of every delivery of the events that arrived in these parts: a delivery may move an event to an earlier day, so
-- the day that it counted on before is touched as well. Reads modelUsage.
SELECT DISTINCT toDate32(timestamp, 'UTC') AS day
FROM modelUsage
WHERE eventId IN (SELECT eventId FROM modelUsage WHERE _part IN {parts:Array(String)})
ORDER BY day
