-- An entity is written once, however often it was queued. The caller holds Lock.PUBLISH. Reads and writes publish_queue.
DELETE FROM metrics.publish_queue o
USING (
    SELECT entity_type, entity_id, max(version) AS version
    FROM metrics.publish_queue
    GROUP BY entity_type, entity_id
) newest
WHERE (o.entity_type, o.entity_id) = (newest.entity_type, newest.entity_id) AND o.version < newest.version;
