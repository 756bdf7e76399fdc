-- An entity is written once, however often it was queued: its highest version stays. The caller holds Lock.PUBLISH. Reads and
-- writes publish_queue.
DELETE FROM metrics.publish_queue o
USING (
    SELECT ctid AS at, row_number() OVER (PARTITION BY entity_type, entity_id ORDER BY version DESC) AS place
    FROM metrics.publish_queue
) queued
WHERE o.ctid = queued.at AND queued.place > 1;
