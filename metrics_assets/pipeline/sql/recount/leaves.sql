-- Totals of one contribution from its source. Reads {table}; writes recounted.
INSERT INTO recounted (entity_type, entity_id, metric_type, total)
SELECT {entity}, {entity_id}, {metric}, {total}
FROM {table} s
WHERE ({where}) AND {entity_id} > 0 AND {in_scope}
  AND NOT EXISTS (SELECT FROM metrics.rejected r WHERE r.source = {source} AND r.source_key = {s_key_text})
GROUP BY 2
