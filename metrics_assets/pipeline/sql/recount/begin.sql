-- Work tables of a recount: what the sources say, and who differs from it.
CREATE TEMP TABLE recounted (
    entity_type metrics.entity_type NOT NULL,
    entity_id   integer NOT NULL,
    metric_type metrics.metric_type NOT NULL,
    total       bigint NOT NULL
) ON COMMIT DROP;
CREATE TEMP TABLE drifted (
    entity_type metrics.entity_type NOT NULL,
    entity_id   integer NOT NULL
) ON COMMIT DROP;
