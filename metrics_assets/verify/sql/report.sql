-- Where findings are kept while verify works. Writes: temporary tables of this session.

-- What the current round found.
CREATE TEMP TABLE difference (
    set_name    text NOT NULL,
    store       text NOT NULL,
    entity_type metrics.entity_type NOT NULL,
    entity_id   bigint NOT NULL,
    detail      text NOT NULL,
    counter     text NOT NULL,
    expected    text NOT NULL,
    found       text NOT NULL,
    pending     boolean NOT NULL DEFAULT false
);

-- Differences in stores that cannot join the snapshot, to be looked at again.
CREATE TEMP TABLE suspect (LIKE difference INCLUDING DEFAULTS);

-- What verify reports.
CREATE TEMP TABLE verdict (LIKE difference INCLUDING DEFAULTS);
