-- What the hashes of queued entities should hold: what their output rows show, so that a number which a rule holds back, or
-- of a set that is paused or loading, is not published by another set. One row per entity; not shown when the entity, or
-- every output row of it, is missing. Reads queued, {entity_table}, the outputs.
SELECT k.entity_id, e.id IS NOT NULL AS alive, e.id IS NOT NULL AND {has_row} AS shown, {values}
FROM (SELECT DISTINCT entity_id FROM queued WHERE entity_type = {entity}) k
LEFT JOIN {entity_table} e ON e.id = k.entity_id
{joins}
