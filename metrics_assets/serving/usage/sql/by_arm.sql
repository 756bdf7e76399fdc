-- Uses of the two models of a route since it began, by arm. A user's arm is computed as serving/registry/routing.py does.
-- Reads modelUsage.
SELECT if(place < {places:UInt32}, 'treatment', 'control') AS arm, model, feature, count() AS uses, uniqExact(user) AS users
FROM
(
    SELECT first.2 AS model, first.3 AS feature, first.4 AS user,
           reinterpretAsUInt32(reverse(substring(MD5(concat({route:String}, ':', toString(first.4))), 1, 4))) % 10000
               AS place
    FROM
    (
        SELECT min((timestamp, modelId, toString(feature), userId)) AS first
        FROM modelUsage
        WHERE modelId IN {models:Array(String)}
        GROUP BY eventId
    )
    WHERE first.1 >= parseDateTime64BestEffort({start:String}, 3, 'UTC')
      AND first.1 <= parseDateTime64BestEffort({end:String}, 3, 'UTC')
)
GROUP BY arm, model, feature
ORDER BY arm, model, feature
