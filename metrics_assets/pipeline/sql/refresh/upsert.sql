-- Rows whose numbers moved, and no others, in key order. A row of zeros is not made. Reads {work}; writes {table}, {before},
-- the keys that have a row, {written}, and dirty_key.
CREATE TEMP TABLE {before} ON COMMIT DROP AS
SELECT {first_key} FROM {table} WHERE {first_key} = ANY (ARRAY(SELECT {first_key} FROM {work})) AND NOT {keep_zero};

CREATE TEMP TABLE {written} ({typed_key}, inserted boolean NOT NULL) ON COMMIT DROP;

SET LOCAL lock_timeout = {patience};

WITH upserted AS (
    INSERT INTO {table} AS o ({key}, {columns}, "updatedAt")
    SELECT {key}, {columns}, localtimestamp(3)
    FROM {work} w
    WHERE w.alive AND ({keep_zero} OR greatest({counters}) <> 0 OR {first_key} IN (SELECT {first_key} FROM {before}))
    ORDER BY {key}
    ON CONFLICT ({key}) DO UPDATE SET ({columns}, "updatedAt") = ROW ({excluded}, excluded."updatedAt")
        WHERE ({old}) IS DISTINCT FROM ({excluded})
    RETURNING {returned_key}
)
INSERT INTO {written} SELECT {key}, true FROM upserted;

WITH deleted AS (
    DELETE FROM {table} o USING {work} w WHERE NOT w.alive AND {same_key_ow} RETURNING {returned_key}
), others AS (
    -- another set whose columns go along may have found them right in a later snapshot, in which the entity was back
    INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, base_model, batch, announce)
    SELECT s.name, {entity}, {first_key}, {base_model}, {version}, true FROM deleted, unnest({other_sets}::text[]) s (name)
)
INSERT INTO {written} SELECT {key}, false FROM deleted;

SET LOCAL lock_timeout = 0;
