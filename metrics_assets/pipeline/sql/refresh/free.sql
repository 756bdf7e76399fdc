-- Keys whose rows nobody else has locked. The caller gives these locks up again: the upsert takes them in the order of the
-- keys, and must not hold one while it waits for a lower one. Reads {work}; locks {table}.
SELECT {key} FROM {table} WHERE {first_key} = ANY (ARRAY(SELECT {first_key} FROM {work})) FOR NO KEY UPDATE SKIP LOCKED
