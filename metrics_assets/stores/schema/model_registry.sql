-- The registry of models that users can choose: configurations, their history, routes. Safe to repeat.
-- Whoever writes a row, the application or a person in psql, gets a version, leaves history and tells every process:
-- the triggers do it, in the writer's own transaction.

-- One row. Writers of the registry follow each other on its lock, so versions are in the order of commits, and a
-- snapshot that reads version v sees every change up to v.
CREATE TABLE IF NOT EXISTS metrics.model_registry (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  bigint NOT NULL
);
INSERT INTO metrics.model_registry (version) VALUES (0) ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS metrics.model_config (
    id           text PRIMARY KEY CHECK (id <> '' AND length(id) <= 200),
    name         text NOT NULL CHECK (name <> ''),
    provider     text NOT NULL CHECK (provider <> ''),
    description  text NOT NULL DEFAULT '',
    status       text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'active', 'disabled')),
    capabilities text[] NOT NULL DEFAULT '{}',
    pricing      jsonb NOT NULL DEFAULT '{}',   -- feature -> US dollars per use, as text
    retires_at   timestamptz,                   -- from then on the model is not to be used
    replaced_by  text CHECK (replaced_by <> id),
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    version      bigint NOT NULL DEFAULT 0
);
-- What the application cannot read. Not validated: a row that is older stays, and is named when it is read.
DO $$
DECLARE
    rule record;
BEGIN
    FOR rule IN SELECT * FROM (VALUES
        ('model_config_pricing_check', $rule$CASE WHEN jsonb_typeof(pricing) = 'object' THEN
            pricing - '{chat,image,comparison}'::text[] = '{}'
            AND NOT pricing @? 'strict $.* ? (!(@.type() == "number" && @ >= 0
                || @.type() == "string" && @ like_regex "^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$"))'
            ELSE false END$rule$),
        ('model_config_capabilities_check',
            $rule$coalesce(array_ndims(capabilities), 1) = 1 AND array_position(capabilities, NULL) IS NULL$rule$),
        -- Python's moments
        ('model_config_moments_check', $rule$isfinite(created_at)
            AND retires_at BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'$rule$)
    ) AS rules (name, condition)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_constraint
                       WHERE conrelid = 'metrics.model_config'::regclass AND conname = rule.name) THEN
            EXECUTE format('ALTER TABLE metrics.model_config ADD CONSTRAINT %I CHECK (%s) NOT VALID',
                           rule.name, rule.condition);
        END IF;
    END LOOP;
END $$;
CREATE INDEX IF NOT EXISTS model_config_provider_idx ON metrics.model_config (provider);
CREATE INDEX IF NOT EXISTS model_config_status_idx ON metrics.model_config (status);
CREATE INDEX IF NOT EXISTS model_config_capabilities_idx ON metrics.model_config USING gin (capabilities);
CREATE INDEX IF NOT EXISTS model_config_updated_at_idx ON metrics.model_config (updated_at);

-- Every state that a configuration has had, and who gave it that. `value` is null for a deletion.
CREATE TABLE IF NOT EXISTS metrics.model_config_history (
    id         text NOT NULL,
    version    bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    value      jsonb,
    PRIMARY KEY (id, version)
);
CREATE INDEX IF NOT EXISTS model_config_history_version_idx ON metrics.model_config_history (version);

-- A share of the users of a model is served by another one. A route that has ended stays: it says who was in which arm.
CREATE TABLE IF NOT EXISTS metrics.model_route (
    id          text PRIMARY KEY CHECK (id <> ''),
    model_id    text NOT NULL,
    to_model_id text NOT NULL CHECK (to_model_id <> model_id),
    share       numeric(5, 4) NOT NULL CHECK (share BETWEEN 0 AND 1),
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS model_route_open_idx ON metrics.model_route (model_id) WHERE ended_at IS NULL;

-- Before a statement: the next version, kept for its rows in a setting of the transaction.
CREATE OR REPLACE FUNCTION metrics.model_registry_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE metrics.model_registry SET version = version + 1;
    PERFORM set_config('metrics.registry_version', (SELECT version::text FROM metrics.model_registry), true);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION metrics.model_config_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := current_setting('metrics.registry_version')::bigint;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;

-- After a statement: history, and one notice. The ids are left out when they are more than a notice can hold, which
-- means all of them.
CREATE OR REPLACE FUNCTION metrics.model_config_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    at_version bigint := current_setting('metrics.registry_version')::bigint;
    ids text[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        SELECT array_agg(id) INTO ids FROM old_rows;
        INSERT INTO metrics.model_config_history (id, version, changed_at, changed_by, value)
        SELECT id, at_version, clock_timestamp(),
               coalesce(nullif(current_setting('metrics.changed_by', true), ''), session_user), NULL
        FROM old_rows
        ON CONFLICT (id, version) DO NOTHING;
    ELSE
        SELECT array_agg(id) INTO ids FROM new_rows;
        INSERT INTO metrics.model_config_history (id, version, changed_at, changed_by, value)
        SELECT id, version, clock_timestamp(),
               coalesce(nullif(current_setting('metrics.changed_by', true), ''), session_user),
               to_jsonb(new_rows) - 'version'
        FROM new_rows
        -- two keys that were exchanged: `moved` came before and took them for deleted
        ON CONFLICT (id, version) DO UPDATE SET value = excluded.value;
    END IF;
    IF ids IS NOT NULL THEN
        PERFORM pg_notify('metrics_model_registry', CASE
            WHEN octet_length(array_to_json(ids)::text) < 7000
            THEN json_build_object('version', at_version, 'ids', ids)::text
            ELSE json_build_object('version', at_version)::text END);
    END IF;
    RETURN NULL;
END $$;

-- A key that moves is a deletion and a creation.
CREATE OR REPLACE FUNCTION metrics.model_config_moved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    at_version bigint := current_setting('metrics.registry_version')::bigint;
BEGIN
    INSERT INTO metrics.model_config_history (id, version, changed_at, changed_by, value)
    VALUES (OLD.id, at_version, clock_timestamp(),
            coalesce(nullif(current_setting('metrics.changed_by', true), ''), session_user), NULL)
    ON CONFLICT (id, version) DO NOTHING;
    PERFORM pg_notify('metrics_model_registry', json_build_object('version', at_version)::text);
    RETURN NULL;
END $$;

-- TRUNCATE of the configurations, and every change of a route.
CREATE OR REPLACE FUNCTION metrics.model_registry_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND TG_TABLE_NAME = 'model_config' THEN
        INSERT INTO metrics.model_config_history (id, version, changed_at, changed_by, value)
        SELECT id, current_setting('metrics.registry_version')::bigint, clock_timestamp(), session_user, NULL
        FROM (SELECT DISTINCT ON (id) id, value FROM metrics.model_config_history ORDER BY id, version DESC) last
        WHERE value IS NOT NULL;
    END IF;
    PERFORM pg_notify('metrics_model_registry',
        json_build_object('version', current_setting('metrics.registry_version')::bigint)::text);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER a_next BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON metrics.model_config
    FOR EACH STATEMENT EXECUTE FUNCTION metrics.model_registry_next();
CREATE OR REPLACE TRIGGER stamp BEFORE INSERT OR UPDATE ON metrics.model_config
    FOR EACH ROW EXECUTE FUNCTION metrics.model_config_stamp();
CREATE OR REPLACE TRIGGER inserted AFTER INSERT ON metrics.model_config
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION metrics.model_config_changed();
CREATE OR REPLACE TRIGGER updated AFTER UPDATE ON metrics.model_config
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION metrics.model_config_changed();
CREATE OR REPLACE TRIGGER deleted AFTER DELETE ON metrics.model_config
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION metrics.model_config_changed();
CREATE OR REPLACE TRIGGER moved AFTER UPDATE OF id ON metrics.model_config
    FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION metrics.model_config_moved();
CREATE OR REPLACE TRIGGER truncated AFTER TRUNCATE ON metrics.model_config
    FOR EACH STATEMENT EXECUTE FUNCTION metrics.model_registry_changed();
CREATE OR REPLACE TRIGGER a_next BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON metrics.model_route
    FOR EACH STATEMENT EXECUTE FUNCTION metrics.model_registry_next();
CREATE OR REPLACE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON metrics.model_route
    FOR EACH STATEMENT EXECUTE FUNCTION metrics.model_registry_changed();
