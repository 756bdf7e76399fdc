-- Work tables of a recount: the entities in question (all when `everything`), and what the sources say.
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
