-- Runs of batch jobs that work for many clients, in the schema `metrics`. Safe to repeat: every statement is
-- IF NOT EXISTS, OR REPLACE, or a policy that is dropped and made in one statement. The columns of the metrics
-- follow from their declarations (pipeline/job_tables.py).

-- The metrics that there are, for every process that reports: built in, or registered by an application.
CREATE TABLE IF NOT EXISTS metrics.job_metric (
    name          text PRIMARY KEY,
    kind          text NOT NULL,
    aggregation   text NOT NULL,
    decimals      integer NOT NULL,
    negative      boolean NOT NULL,
    choices       text[] NOT NULL,
    of_job        text NOT NULL,
    column_name   text NOT NULL UNIQUE,
    registered_at timestamptz NOT NULL DEFAULT now()
);

-- One run of a job. Figures are recomputed from its client runs, never added to.
CREATE TABLE IF NOT EXISTS metrics.job_run (
    run_id            text COLLATE "C" PRIMARY KEY CHECK (run_id ~ '^[0-9]{6}-[0-9]{6}([.][0-9]+)?$'),
    job_name          text NOT NULL DEFAULT 'unnamed',
    status            text NOT NULL DEFAULT 'In Progress' CHECK (status IN ('In Progress', 'Completed', 'Failed')),
    status_at         timestamptz NOT NULL DEFAULT '-infinity',
    reopened_at       timestamptz,
    requested_at      timestamptz,   -- when it was asked for, where that is known: the wait is started_at - requested_at
    started_at        timestamptz NOT NULL,
    finished_at       timestamptz,
    seen_at           timestamptz NOT NULL DEFAULT now(),
    silence_allowed   interval NOT NULL DEFAULT '1 hour',
    worker            text,
    labels            jsonb NOT NULL DEFAULT '{}',
    notes             text NOT NULL DEFAULT '',
    clients           integer NOT NULL DEFAULT 0,
    clients_completed integer NOT NULL DEFAULT 0,
    clients_failed    integer NOT NULL DEFAULT 0,
    aggregated_at     timestamptz
);
CREATE INDEX IF NOT EXISTS job_run_started_idx ON metrics.job_run (started_at);
CREATE INDEX IF NOT EXISTS job_run_open_idx ON metrics.job_run (run_id) WHERE status = 'In Progress';

-- Ids that others gave a run and that say no time: a Dagster run id.
CREATE TABLE IF NOT EXISTS metrics.job_run_alias (
    alias  text PRIMARY KEY,
    run_id text COLLATE "C" NOT NULL REFERENCES metrics.job_run ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS job_run_alias_run_idx ON metrics.job_run_alias (run_id);

-- What a run did for one client.
CREATE TABLE IF NOT EXISTS metrics.job_client_run (
    run_id      text COLLATE "C" NOT NULL REFERENCES metrics.job_run ON DELETE CASCADE,
    client_id   text COLLATE "C" NOT NULL CHECK (client_id NOT IN ('', '*') AND length(client_id) <= 200),
    status      text NOT NULL DEFAULT 'In Progress' CHECK (status IN ('In Progress', 'Completed', 'Failed')),
    status_at   timestamptz NOT NULL DEFAULT '-infinity',
    reopened_at timestamptz,
    notes       text NOT NULL DEFAULT '',
    steps       jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, client_id)
) WITH (fillfactor = 70);

-- Keys of updates that are in the figures: written in the transaction of the update, so that a retry finds them.
CREATE TABLE IF NOT EXISTS metrics.job_client_update (
    run_id          text COLLATE "C" NOT NULL REFERENCES metrics.job_run ON DELETE CASCADE,
    client_id       text COLLATE "C" NOT NULL,
    idempotency_key text NOT NULL,
    applied_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, client_id, idempotency_key)
);

-- Values that were left out of the figures, and why; a repeated one is counted, not kept again.
CREATE TABLE IF NOT EXISTS metrics.job_rejected_value (
    run_id      text COLLATE "C" NOT NULL REFERENCES metrics.job_run ON DELETE CASCADE,
    client_id   text COLLATE "C" NOT NULL,
    metric      text NOT NULL,
    value       text NOT NULL,
    reason      text NOT NULL,
    times       bigint NOT NULL DEFAULT 1,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, client_id, metric, value, reason)
);

-- Whether the session may see every client: it says so with metrics.client_id = '*', and its role is the owner of the
-- tables or a member of that role. Roles that row security does not bind (superusers, BYPASSRLS) always may.
-- The search_path is fixed, so that no function of a session's own answers in the place of Postgres's.
CREATE OR REPLACE FUNCTION metrics.sees_all_clients() RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT row_security_active('metrics.job_client_run')
        OR (
            current_setting('metrics.client_id', true) = '*'
            AND pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'metrics.job_client_run'::regclass), 'USAGE')
        )
$$;

-- FORCE binds the owner too: who does not say for which client it works sees, and writes, nothing.
DO $$
DECLARE
    bound regclass;
BEGIN
    FOREACH bound IN ARRAY ARRAY['metrics.job_client_run', 'metrics.job_client_update', 'metrics.job_rejected_value']::regclass[]
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', bound);
        EXECUTE format('DROP POLICY IF EXISTS own_rows ON %s', bound);
        EXECUTE format('DROP POLICY IF EXISTS all_rows ON %s', bound);
        EXECUTE format(
            'CREATE POLICY own_rows ON %s USING (client_id = current_setting(''metrics.client_id'', true))', bound);
        EXECUTE format('CREATE POLICY all_rows ON %s USING ((SELECT metrics.sees_all_clients()))', bound);
    END LOOP;
END $$;

-- This project's own runs are read from the ledger, by day and by run.
CREATE INDEX IF NOT EXISTS ledger_started_idx ON metrics.ledger (started_at);
CREATE INDEX IF NOT EXISTS ledger_run_idx ON metrics.ledger (run_id) WHERE run_id IS NOT NULL;
