-- Suspects that moved at every look belong to keys that change faster than they can be looked at: on their way.
-- Reads: suspect. Writes: verdict.

INSERT INTO verdict
SELECT set_name, store, entity_type, entity_id, detail, counter, expected, found, true FROM suspect;
