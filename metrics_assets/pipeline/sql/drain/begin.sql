-- Work tables of one drain. They die with its transaction.
CREATE TEMP TABLE change (
    side        smallint NOT NULL,   -- -1 before, +1 after, 0 perhaps in between
    entity_type metrics.entity_type NOT NULL,
    entity_id   integer NOT NULL,
    metric_type metrics.metric_type NOT NULL,
    day         date NOT NULL,
    event_key   bigint NOT NULL,
    user_id     integer NOT NULL,
    value       bigint NOT NULL,
    created_at  timestamp(3) NOT NULL,
    source      text NOT NULL
) ON COMMIT DROP;
CREATE TEMP TABLE moved (
    entity_type metrics.entity_type NOT NULL,
    entity_id   integer NOT NULL,
    metric_type metrics.metric_type NOT NULL,
    difference  bigint NOT NULL
) ON COMMIT DROP;
CREATE TEMP TABLE moved_pair (
    model_id   integer NOT NULL,
    base_model text NOT NULL
) ON COMMIT DROP;
