-- Totals of the contributions of one source to the same entities, in one pass over it. Reads {table}; writes recounted.
INSERT INTO recounted (entity_type, entity_id, metric_type, total)
SELECT {entity}, n.id, v.metric_type, v.total
FROM (
    SELECT {entity_id} AS id, {totals}
    FROM {table} s
    WHERE ({any_counts}) AND {entity_id} > 0 AND {in_scope}
      AND {s_admitted}
    GROUP BY 1
) n
CROSS JOIN LATERAL (VALUES {by_metric}) AS v (metric_type, total)
