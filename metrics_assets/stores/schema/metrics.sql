-- Our own tables, in the schema `metrics`, and what moves those of earlier versions. Safe to repeat.
-- Enum types keep keys at four bytes and readable; values are only ever added.

CREATE SCHEMA IF NOT EXISTS metrics;

DO $$
BEGIN
    CREATE TYPE metrics.entity_type AS ENUM ('Model', 'ModelVersion', 'Post', 'Image', 'Collection', 'User');
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

DO $$
BEGIN
    CREATE TYPE metrics.metric_type AS ENUM (
        'Download', 'Generation', 'ThumbsUp', 'ThumbsDown', 'Comment', 'Image', 'Tip', 'Buzz', 'Collection');
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- The number of a snapshot; taken together with it, under a lock (stores/postgres.py).
CREATE SEQUENCE IF NOT EXISTS metrics.version;

-- Captured changes. One child table per source carries the old and the new row, typed (capture.sql makes them).
CREATE SEQUENCE IF NOT EXISTS metrics.outbox_seq;
CREATE TABLE IF NOT EXISTS metrics.outbox (
    seq         bigint NOT NULL DEFAULT nextval('metrics.outbox_seq'),
    op          "char" NOT NULL,
    captured_at timestamptz NOT NULL DEFAULT statement_timestamp()
);

-- What triggers cannot express as rows: a TRUNCATE, a capture that was found broken. The source is recounted.
CREATE TABLE IF NOT EXISTS metrics.capture_marker (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source     text NOT NULL,
    reason     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    counted_at timestamptz   -- totals are recounted; the marker goes when the contributions are rebuilt as well
);

-- What capture looked like when it was installed; every tick compares (pipeline/guard.py).
CREATE TABLE IF NOT EXISTS metrics.capture (
    source       text PRIMARY KEY,
    fingerprint  text NOT NULL,
    files        text NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now(),
    had_rows     boolean NOT NULL
);

-- The shared layer. Totals of an entity from what it is counted for itself; sums of parents are kept beside them, and
-- (ModelVersion, Image) moves with its posts.
CREATE TABLE IF NOT EXISTS metrics.leaf_total (
    entity_type metrics.entity_type NOT NULL,
    entity_id   integer NOT NULL,
    metric_type metrics.metric_type NOT NULL,
    total       bigint NOT NULL,
    PRIMARY KEY (entity_type, entity_id, metric_type)
) WITH (fillfactor = 80);

-- Distinct recommending users per (model, base model). A row exists exactly while the pair has a Published version.
-- `versions_*` are sums over these versions, of which the catalog makes a column for each metric.
CREATE TABLE IF NOT EXISTS metrics.base_model_total (
    model_id    integer NOT NULL,
    base_model  text NOT NULL,
    thumbs_up   bigint NOT NULL DEFAULT 0,
    thumbs_down bigint NOT NULL DEFAULT 0,
    recount     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (model_id, base_model)
) WITH (fillfactor = 80);
CREATE INDEX IF NOT EXISTS base_model_total_recount_idx ON metrics.base_model_total (model_id, base_model) WHERE recount;

-- What review_stats published last, which base_model_metrics reads. Not a column above: the set writes it while totals move.
CREATE TABLE IF NOT EXISTS metrics.pair_shown (
    model_id    integer NOT NULL,
    base_model  text NOT NULL,
    thumbs_up   bigint NOT NULL,
    thumbs_down bigint NOT NULL,
    PRIMARY KEY (model_id, base_model)
) WITH (fillfactor = 80);
-- of an earlier version, in base_model_total; a tick of that version must not write there meanwhile
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'metrics.base_model_total'::regclass AND attname = 'shown_up') THEN
        LOCK TABLE metrics.base_model_total IN ACCESS EXCLUSIVE MODE;
        INSERT INTO metrics.pair_shown (model_id, base_model, thumbs_up, thumbs_down)
        SELECT model_id, base_model, shown_up, shown_down FROM metrics.base_model_total
        ON CONFLICT DO NOTHING;
        ALTER TABLE metrics.base_model_total DROP COLUMN shown_up, DROP COLUMN shown_down;
    END IF;
END $$;

-- What a model sums of its versions' totals, beside its own in leaf_total; moves with them.
CREATE TABLE IF NOT EXISTS metrics.model_sum (
    model_id    integer NOT NULL,
    metric_type metrics.metric_type NOT NULL,
    total       bigint NOT NULL,
    PRIMARY KEY (model_id, metric_type)
) WITH (fillfactor = 80);

-- Keys whose outputs a set still has to write. Append-only; the set deletes what it has taken.
CREATE TABLE IF NOT EXISTS metrics.dirty_key (
    set_name    text NOT NULL,
    entity_type metrics.entity_type NOT NULL,
    entity_id   integer NOT NULL,
    base_model  text,
    batch       bigint NOT NULL
) PARTITION BY LIST (set_name);
-- `announce`: ClickHouse and Redis are told the numbers even when they do not move: a rebuild heals these too.
-- `held`: a rule keeps the key from being written. `since`: when it became dirty; a key that is put back keeps it.
ALTER TABLE metrics.dirty_key
    ADD COLUMN IF NOT EXISTS announce boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS held     boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS since    timestamptz NOT NULL DEFAULT now();

-- Sealed batches: what one drain or tick has for ClickHouse, kept until ClickHouse has it.
CREATE TABLE IF NOT EXISTS metrics.batch (
    id           bigint PRIMARY KEY,
    kind         text NOT NULL,
    sealed_at    timestamptz NOT NULL DEFAULT now(),
    event_rows   bigint NOT NULL DEFAULT 0,
    total_rows   bigint NOT NULL DEFAULT 0,
    forwarded_at timestamptz
);
CREATE INDEX IF NOT EXISTS batch_pending_idx ON metrics.batch (id) WHERE forwarded_at IS NULL;
CREATE TABLE IF NOT EXISTS metrics.batch_event (
    batch_id    bigint NOT NULL,
    entity_type metrics.entity_type NOT NULL,
    entity_id   integer NOT NULL,
    metric_type metrics.metric_type NOT NULL,
    day         date NOT NULL,
    event_key   bigint NOT NULL,
    user_id     integer NOT NULL,
    value       bigint NOT NULL,
    created_at  timestamp(3) NOT NULL,
    source      text NOT NULL
);
-- The totals of an entity, in the order of their metrics: a row for each of them would cost several times more.
CREATE TABLE IF NOT EXISTS metrics.batch_total (
    batch_id     bigint NOT NULL,
    entity_type  metrics.entity_type NOT NULL,
    entity_id    integer NOT NULL,
    metric_types metrics.metric_type[] NOT NULL,
    totals       bigint[] NOT NULL
);
-- of an earlier version, a row for each: what waits there goes on
DO $$
BEGIN
    ALTER TABLE metrics.batch_total ALTER COLUMN metric_type TYPE metrics.metric_type[] USING ARRAY[metric_type];
    ALTER TABLE metrics.batch_total ALTER COLUMN total TYPE bigint[] USING ARRAY[total];
    ALTER TABLE metrics.batch_total RENAME COLUMN metric_type TO metric_types;
    ALTER TABLE metrics.batch_total RENAME COLUMN total TO totals;
EXCEPTION WHEN undefined_column THEN NULL;
END $$;
-- Days of a log's metric as they were counted, absolute; leaf totals moved by them in the transaction that sealed them.
CREATE TABLE IF NOT EXISTS metrics.batch_day (
    batch_id    bigint NOT NULL,
    entity_type metrics.entity_type NOT NULL,
    entity_id   integer NOT NULL,
    metric_type metrics.metric_type NOT NULL,
    day         date NOT NULL,
    total       bigint NOT NULL
);

-- Hashes that Redis has not acknowledged yet.
CREATE TABLE IF NOT EXISTS metrics.publish_queue (
    entity_type metrics.entity_type NOT NULL,
    entity_id   integer NOT NULL,
    version     bigint NOT NULL
);

-- Entities whose search documents are out of date, once each.
CREATE TABLE IF NOT EXISTS metrics.search_queue (
    entity_type metrics.entity_type NOT NULL,
    entity_id   integer NOT NULL,
    reason      text NOT NULL,
    queued_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (entity_type, entity_id)
);

-- What of a ClickHouse log has been counted: block numbers by partition, the rows that they held, and the parts that held
-- them, as [name, first block, last block, rows, mutation, hash of the files], and the patches of lightweight updates that
-- lay over them, as name and hash. A table with another id is another log.
CREATE TABLE IF NOT EXISTS metrics.log_cursor (
    log          text NOT NULL,
    partition_id text NOT NULL,
    table_id     text NOT NULL DEFAULT '',
    blocks       int8multirange NOT NULL DEFAULT '{}',
    row_count    bigint NOT NULL DEFAULT 0,
    parts        jsonb NOT NULL DEFAULT '[]',
    patches      text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (log, partition_id)
);
-- a cursor of an earlier version remembers no parts: the next tick counts what it covers again, once
ALTER TABLE metrics.log_cursor
    ADD COLUMN IF NOT EXISTS table_id text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS parts jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS patches text[] NOT NULL DEFAULT '{}',
    DROP COLUMN IF EXISTS data_version;

-- How far leaf totals of a log's metric go with entityMetricDaily, which they move by differences of: the version of its
-- newest rows that are in them, and the days of which a count into it was begun and its totals have not arrived.
CREATE TABLE IF NOT EXISTS metrics.log_count (
    entity_type   metrics.entity_type NOT NULL,
    metric_type   metrics.metric_type NOT NULL,
    daily_version bigint NOT NULL DEFAULT 0,
    begun_first   date,
    begun_last    date,
    PRIMARY KEY (entity_type, metric_type)
);

-- One row per set and tick, load or rebuild: what it saw, changed and cost.
CREATE TABLE IF NOT EXISTS metrics.ledger (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    set_name         text NOT NULL,
    mode             text NOT NULL,
    run_id           text,
    first_day        date,
    last_day         date,
    version          bigint,
    outcome          text NOT NULL,
    started_at       timestamptz NOT NULL,
    finished_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    seconds          double precision NOT NULL,
    entities_changed bigint NOT NULL DEFAULT 0,
    rows_read        bigint NOT NULL DEFAULT 0,
    rows_written     bigint NOT NULL DEFAULT 0,
    backlog_before   bigint NOT NULL DEFAULT 0,
    backlog_after    bigint NOT NULL DEFAULT 0,
    newest_event_at  timestamptz,
    older_days       integer NOT NULL DEFAULT 0,
    oldest_day       date,
    steps            jsonb NOT NULL DEFAULT '{}',
    detail           jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS ledger_set_idx ON metrics.ledger (set_name, id DESC);
CREATE INDEX IF NOT EXISTS ledger_rebuild_idx ON metrics.ledger (run_id) WHERE mode = 'rebuild';

-- Per set and day: when it was built, when it last changed, and whether it is suspect.
CREATE TABLE IF NOT EXISTS metrics.day_state (
    set_name      text NOT NULL,
    day           date NOT NULL,
    built_at      timestamptz,
    built_version bigint,
    changed_at    timestamptz,
    fingerprint   text,
    verified_at   timestamptz,
    suspect       text,
    PRIMARY KEY (set_name, day)
);

-- Rows that cannot be counted as they are; nothing is lost, and they count as soon as they can.
CREATE TABLE IF NOT EXISTS metrics.rejected (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text NOT NULL,
    source_key  text NOT NULL,
    reason      text NOT NULL,
    value       jsonb NOT NULL,
    due_at      timestamp(3),
    rejected_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source, source_key)
);

-- What operators leave out of every counter: the rows of a user, a model, a model version. Captured like the
-- application's tables.
CREATE TABLE IF NOT EXISTS metrics.excluded_user (
    user_id  integer PRIMARY KEY,
    reason   text NOT NULL DEFAULT '',
    added_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS metrics.excluded_resource (
    entity_type metrics.entity_type NOT NULL,
    entity_id   integer NOT NULL,
    reason      text NOT NULL DEFAULT '',
    added_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (entity_type, entity_id)
);

-- Users without whom the days of a log are counted. Not `left_out`: one who is no longer excluded. Not `counted`: what they
-- have in the log has to be counted anew for that, since then.
CREATE TABLE IF NOT EXISTS metrics.log_left_out (
    log      text NOT NULL,
    user_id  integer NOT NULL,
    left_out boolean NOT NULL,
    counted  boolean NOT NULL,
    since    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log, user_id)
);

-- A set is loading until its first load is whole, then live. A paused set keeps its dirty keys and writes nothing.
CREATE TABLE IF NOT EXISTS metrics.set_state (
    set_name         text PRIMARY KEY,
    state            text NOT NULL,
    paused_at        timestamptz,
    pause_reason     text,
    inexact_reason   text,
    complete_through timestamptz,
    changed_at       timestamptz NOT NULL DEFAULT now()
);

-- Settings and catalog that the schema was applied with.
CREATE TABLE IF NOT EXISTS metrics.schema_state (
    name       text PRIMARY KEY,
    value      text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
