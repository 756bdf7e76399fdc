-- As leaves.sql, of contributions that count members: a member counts once, while one of its rows does. Made distinct by a
-- hash; count(DISTINCT) sorts. Reads {table}; writes recounted.
INSERT INTO recounted (entity_type, entity_id, metric_type, total)
SELECT {entity}, n.id, v.metric_type, v.total
FROM (
    SELECT id, {members}
    FROM (
        SELECT {entity_id} AS id, {distinct_by} AS member, {counting}
        FROM {table} s
        WHERE ({any_counts}) AND {entity_id} > 0 AND {distinct_by} IS NOT NULL AND {in_scope}
          AND {s_admitted}
        GROUP BY 1, 2
    ) m
    GROUP BY id
) n
CROSS JOIN LATERAL (VALUES {by_metric}) AS v (metric_type, total)
