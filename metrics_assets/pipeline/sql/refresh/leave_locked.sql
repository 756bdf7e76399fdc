-- Rows that somebody else keeps locked are left to the next tick: their keys stay dirty. Reads {work}, {table}, {free}; writes
-- {left} and dirty_key.
CREATE TEMP TABLE {left} ON COMMIT DROP AS
SELECT {returned_key}
FROM {table} o
JOIN {work} w ON {same_key_ow}
LEFT JOIN {free} AS f ({key}) ON {same_key_of}
WHERE f.{first_key} IS NULL;

INSERT INTO {dirty} (set_name, entity_type, entity_id, base_model, batch, announce, since)
SELECT {set_name}, {entity}, {first_key}, {base_model}, {version}, announce, since
FROM {work} w
WHERE EXISTS (SELECT FROM {left} h WHERE {same_key_wh});

DELETE FROM {work} w USING {left} h WHERE {same_key_wh};
