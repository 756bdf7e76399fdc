-- Which of the round's differences are only changes on their way. Reads: pending_key, pending_everything.
-- Writes: difference.pending.

UPDATE difference SET pending = true
WHERE EXISTS (SELECT FROM pending_everything);

UPDATE difference SET pending = true
FROM (SELECT DISTINCT entity_type, entity_id FROM pending_key) AS pending_key
WHERE NOT difference.pending
  AND pending_key.entity_type = difference.entity_type::text
  AND pending_key.entity_id = difference.entity_id;
