-- The dirty keys of a set leave with this transaction; returns how many, repeats included. An id that is not positive names
-- no entity: nothing counts for it. Reads and deletes dirty_key; writes taken_key.
WITH gone AS (
    DELETE FROM {dirty} d WHERE {chosen} RETURNING d.entity_type, d.entity_id, d.base_model, d.announce, d.since
), taken AS (
    INSERT INTO taken_key (entity_type, entity_id, base_model, announce, since)
    SELECT entity_type, entity_id, base_model, bool_or(announce), min(since)
    FROM gone
    WHERE entity_id > 0
    GROUP BY entity_type, entity_id, base_model
)
SELECT count(*) FROM gone
