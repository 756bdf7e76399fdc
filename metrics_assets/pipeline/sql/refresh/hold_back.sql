-- Rules that must stop a wrong number: keys that break one stay dirty and are not written. Reads {work}; writes dirty_key.
CREATE TEMP TABLE {held} ON COMMIT DROP AS
SELECT {key}, CASE WHEN least({counters}) < 0 THEN 'no_negative_counter' ELSE 'within_int4' END AS rule,
       to_jsonb({work}) - '{{alive,announce,since}}'::text[] AS numbers
FROM {work}
WHERE alive AND (least({counters}) < 0 OR greatest({counters}) > 2147483647);

INSERT INTO {dirty} (set_name, entity_type, entity_id, base_model, batch, announce, held, since)
SELECT {set_name}, {entity}, {first_key}, {base_model}, {version}, announce, true, since
FROM {work} w
WHERE EXISTS (SELECT FROM {held} h WHERE {same_key_wh});

DELETE FROM {work} w USING {held} h WHERE {same_key_wh};
