-- Reads: the models whose rows moved last, by the output's index on updatedAt, and the Published versions of these
-- models, by the index on "modelId". Writes nothing.
-- A model with a change of its own or of a version on the way (outbox, dirty keys) is left out: its rows follow.
-- One row: models looked at, pairs that are wrong, some of them, models left out.
WITH recent AS (
    SELECT DISTINCT "modelId" FROM (
        SELECT "modelId" FROM {output} ORDER BY "updatedAt" DESC LIMIT {row_limit}
    ) moved
),
on_the_way AS (
    SELECT id AS "modelId" FROM metrics.outbox_model
    UNION SELECT "old_modelId" FROM metrics.outbox_model_version
    UNION SELECT "new_modelId" FROM metrics.outbox_model_version
    UNION SELECT entity_id FROM metrics.dirty_key
    WHERE set_name = {set_name} AND entity_type = 'Model'
),
looked_at AS (
    SELECT "modelId" FROM recent r
    WHERE NOT EXISTS (SELECT FROM on_the_way w WHERE w."modelId" = r."modelId")
),
shown AS (
    SELECT "modelId", "baseModel" FROM looked_at JOIN {output} USING ("modelId")
),
published AS (
    SELECT DISTINCT v."modelId", v."baseModel"::text AS "baseModel"
    FROM looked_at l
    JOIN "Model" m ON m.id = l."modelId"
    JOIN "ModelVersion" v ON v."modelId" = l."modelId" AND v.status::text = 'Published'
    -- a version without a base model is of no pair
    WHERE v."baseModel" IS NOT NULL
),
wrong AS (
    (SELECT "modelId", "baseModel", 'should not be there' AS what FROM (TABLE shown EXCEPT TABLE published) extra)
    UNION ALL
    (SELECT "modelId", "baseModel", 'is missing' FROM (TABLE published EXCEPT TABLE shown) lacking)
)
SELECT (SELECT count(*) FROM looked_at),
       (SELECT count(*) FROM wrong),
       coalesce((SELECT (array_agg(format('%s %s %s', "modelId", "baseModel", what)))[1:20] FROM wrong), '{{}}'),
       (SELECT count(*) FROM recent) - (SELECT count(*) FROM looked_at);
