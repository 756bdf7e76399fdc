-- One contribution per row of a source that counts. Ids of entities are positive: another one names none. Reads {image}; writes change.
INSERT INTO change (side, entity_type, entity_id, metric_type, day, event_key, user_id, value, created_at, source)
SELECT side, {entity}, {entity_id}, {metric}, {counted_at}::date, {event_key}, {user}, {value},
       {counted_at}, {source}
FROM {image}
WHERE ({where}) AND {entity_id} > 0
