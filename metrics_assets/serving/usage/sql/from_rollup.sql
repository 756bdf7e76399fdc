-- Uses of whole days, except some, from modelUsageDaily.
SELECT modelId, toString(feature), day, sum(total) AS uses
FROM
(
    SELECT modelId, feature, day, argMax(total, version) AS total
    FROM modelUsageDaily
    WHERE day BETWEEN {first:Date32} AND {last:Date32} AND day NOT IN {except:Array(Date32)}
      AND ({model:String} = '' OR modelId = {model:String})
    GROUP BY modelId, feature, day
)
GROUP BY modelId, feature, day
HAVING uses > 0
