-- What ClickHouse needs of this drain: the contributions of everything that changed, whether its value moved or not, and
-- value 0 for those that no longer hold. A rebuild's snapshot may lie between the changes that this drain has folded.
-- Reads change; writes metrics.batch, metrics.batch_event.
INSERT INTO metrics.batch_event
    (batch_id, entity_type, entity_id, metric_type, day, event_key, user_id, value, created_at, source)
SELECT {version}, entity_type, entity_id, metric_type, day, event_key, user_id, value, created_at, source
FROM change
WHERE side = 1
UNION ALL
SELECT DISTINCT ON (entity_type, metric_type, day, entity_id, event_key)
       {version}::bigint, entity_type, entity_id, metric_type, day, event_key, user_id, 0, created_at, source
FROM change b
WHERE side <= 0
  AND NOT EXISTS (
      SELECT FROM change a
      WHERE a.side = 1
        AND (a.entity_type, a.metric_type, a.day, a.entity_id, a.event_key)
          = (b.entity_type, b.metric_type, b.day, b.entity_id, b.event_key));

INSERT INTO metrics.batch (id, kind, event_rows)
SELECT {version}, 'events', count(*) FROM metrics.batch_event WHERE batch_id = {version} HAVING count(*) > 0;
