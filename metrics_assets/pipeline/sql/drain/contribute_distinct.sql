-- One contribution per member that counts, on the day of its first row that does, before and after. In between, each of
-- its rows may have been the first one: side 0, so that ClickHouse hears on which days the member does not count.
-- Reads {member}; writes change.
INSERT INTO change (side, entity_type, entity_id, metric_type, day, event_key, user_id, value, created_at, source)
SELECT side, {entity}, {entity_id}, {metric}, min({counted_at})::date, {distinct_by}, {distinct_by},
       1, min({counted_at}), {source}
FROM {member}
WHERE ({where}) AND {entity_id} > 0 AND side <> 0
GROUP BY side, {entity_id}, {distinct_by}
UNION ALL
SELECT 0, {entity}, {entity_id}, {metric}, {counted_at}::date, {distinct_by}, {distinct_by},
       1, min({counted_at}), {source}
FROM {member}
WHERE ({where}) AND {entity_id} > 0
GROUP BY {entity_id}, {distinct_by}, {counted_at}::date;
