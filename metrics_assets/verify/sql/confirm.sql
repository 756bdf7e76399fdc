-- After another look with a fresh snapshot: a suspect that stands as it was, with nothing on its way, is a difference;
-- one that agrees now was on its way; one whose values moved stays a suspect.
-- Reads and empties: difference. Writes: verdict, suspect.

INSERT INTO verdict
SELECT difference.*
FROM suspect
JOIN difference USING (set_name, store, entity_type, entity_id, detail, counter)
WHERE difference.pending
   OR (difference.expected = suspect.expected AND difference.found = suspect.found);

CREATE TEMP TABLE moving AS
SELECT difference.*
FROM suspect
JOIN difference USING (set_name, store, entity_type, entity_id, detail, counter)
WHERE NOT difference.pending
  AND NOT (difference.expected = suspect.expected AND difference.found = suspect.found);

TRUNCATE suspect, difference;

INSERT INTO suspect SELECT * FROM moving;

DROP TABLE moving;
