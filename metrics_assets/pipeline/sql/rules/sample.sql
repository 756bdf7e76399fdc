-- A few of the keys just taken, none with a long history: their recount costs little. Reads taken_key, leaf_total.
SELECT k.entity_id
FROM (SELECT DISTINCT entity_id FROM taken_key WHERE entity_type = {entity} LIMIT 50) k
LEFT JOIN metrics.leaf_total t ON t.entity_type = {entity} AND t.entity_id = k.entity_id
GROUP BY k.entity_id
HAVING coalesce(sum(t.total) FILTER (WHERE t.metric_type = ANY ({metrics}::metrics.metric_type[])), 0) <= 1000
LIMIT {size}
