-- After the first round: what the snapshot itself shows is final; a difference in ClickHouse or Redis, which are read
-- after the snapshot, is a suspect until another look confirms it.
-- Reads and empties: difference. Writes: verdict, suspect.

INSERT INTO verdict SELECT * FROM difference WHERE store = 'postgres' OR pending;
INSERT INTO suspect SELECT * FROM difference WHERE store <> 'postgres' AND NOT pending;
TRUNCATE difference;
