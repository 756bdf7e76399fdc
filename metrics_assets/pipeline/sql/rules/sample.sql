-- A few of the keys just taken, none with a long history of what counts: their recount costs little. The row of an entity that is gone goes,
-- whatever its totals are. Reads {work}, leaf_total.
SELECT k.entity_id
FROM (SELECT {key} AS entity_id FROM {work} WHERE alive LIMIT 50) k
LEFT JOIN metrics.leaf_total t ON t.entity_type = {entity} AND t.entity_id = k.entity_id
GROUP BY k.entity_id
HAVING coalesce(sum(t.total) FILTER (WHERE t.metric_type = ANY ({metrics}::metrics.metric_type[])), 0) <= 1000
LIMIT {size}
