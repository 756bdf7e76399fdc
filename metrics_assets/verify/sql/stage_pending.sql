-- Keys whose captured changes have not reached every store yet, as this transaction's snapshot sees it.
-- pending_key names an entity; pairs of a model and a base model go by the model. pending_everything has a row, with
-- the reason, while nobody can say which keys are concerned.
-- What nobody is working on is no excuse: not a key that a rule keeps back, and not a dirty key, a marker or a row that is
-- due for longer than an hour.
-- Reads: metrics.dirty_key, publish_queue, batch, batch_event, batch_total, batch_day, capture_marker, rejected.
-- Writes: temporary tables of this session.

CREATE TEMP TABLE pending_everything (reason text NOT NULL);

CREATE TEMP TABLE pending_key AS
SELECT entity_type::text AS entity_type, entity_id
FROM metrics.dirty_key
WHERE NOT held AND since > now() - interval '1 hour'
UNION
SELECT entity_type::text, entity_id FROM metrics.publish_queue
UNION
SELECT event.entity_type::text, event.entity_id
FROM metrics.batch_event AS event
LEFT JOIN metrics.batch ON batch.id = event.batch_id
WHERE batch.forwarded_at IS NULL
UNION
SELECT total.entity_type::text, total.entity_id
FROM metrics.batch_total AS total
LEFT JOIN metrics.batch ON batch.id = total.batch_id
WHERE batch.forwarded_at IS NULL
UNION
SELECT day.entity_type::text, day.entity_id
FROM metrics.batch_day AS day
LEFT JOIN metrics.batch ON batch.id = day.batch_id
WHERE batch.forwarded_at IS NULL
UNION
-- rejected rows that are due: the next drain takes them
SELECT named.entity_type, (value ->> named.field)::integer
FROM metrics.rejected
CROSS JOIN (VALUES
    ('Model', 'modelId'), ('Model', 'entityId'), ('ModelVersion', 'modelVersionId'), ('Post', 'postId')
) AS named (entity_type, field)
WHERE due_at <= localtimestamp AND due_at > localtimestamp - interval '1 hour' AND value ->> named.field IS NOT NULL;

INSERT INTO pending_everything
SELECT source || ': ' || reason FROM metrics.capture_marker WHERE created_at > now() - interval '1 hour';
