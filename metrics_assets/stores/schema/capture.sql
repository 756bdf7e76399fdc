-- Capture on one source. Writes {outbox} in the writer's own transaction.
-- Statement-level triggers with transition tables: one INSERT per statement, whatever its size. ENABLE ALWAYS, so that
-- session_replication_role = replica (restores) does not switch them off. SECURITY DEFINER with a pinned search_path:
-- a writer needs no grant on our schema, and cannot put an operator of its own in our way; a time with a zone is read in UTC,
-- whatever the writer's is.
-- Safe to repeat: CREATE OR REPLACE throughout; one transaction with a short lock timeout.

CREATE TABLE IF NOT EXISTS {outbox} ({outbox_columns}) INHERITS (metrics.outbox)
    WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

ALTER TABLE {outbox} {added_columns};

CREATE OR REPLACE FUNCTION {insert_function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    INSERT INTO {outbox} (op, {key}, {new_columns})
    SELECT 'I', {n_key}, {n_columns} FROM new_rows n;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION {update_function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    -- a changed key is a delete of the old key and an insert of the new one
    INSERT INTO {outbox} (op, {key}, {old_columns}, {new_columns})
    SELECT CASE WHEN {o_first_key} IS NULL THEN 'I' WHEN {n_first_key} IS NULL THEN 'D' ELSE 'U' END,
           {either_key}, {o_columns}, {n_columns}
    FROM old_rows o
    FULL JOIN new_rows n ON {same_key}
    WHERE ({o_key}, {o_columns}) IS DISTINCT FROM ({n_key}, {n_columns});
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION {delete_function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    INSERT INTO {outbox} (op, {key}, {old_columns})
    SELECT 'D', {o_key}, {o_columns} FROM old_rows o;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION {truncate_function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    INSERT INTO metrics.capture_marker (source, reason) VALUES ({source}, 'TRUNCATE');
    RETURN NULL;
END $$;
