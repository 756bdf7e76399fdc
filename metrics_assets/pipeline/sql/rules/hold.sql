-- A key whose number is wrong stays dirty and is not written. Reads and writes {work}; writes dirty_key.
INSERT INTO {dirty} (set_name, entity_type, entity_id, base_model, batch, announce, held, since)
SELECT {set_name}, {entity}, {first_key}, {base_model}, {version}, announce, true, since
FROM {work} w
WHERE {wrong};

DELETE FROM {work} w WHERE {wrong};
