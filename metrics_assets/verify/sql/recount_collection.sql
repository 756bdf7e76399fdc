-- How many collection items hold each model that exists. Excluded models read as zero.
-- Reads: "Model", the counted sources. Writes: the temporary table recount_collection.

CREATE TEMP TABLE recount_collection AS
SELECT
    model.id                        AS model_id,
    coalesce(item.collection, 0)    AS collection
FROM (
    SELECT
        id,
        EXISTS (
            SELECT FROM metrics.excluded_resource
            WHERE entity_type = 'Model' AND entity_id = "Model".id
        )                           AS excluded
    FROM "Model"
    WHERE id > 0 AND ({every_key} OR id = ANY ({models}))
) AS model
LEFT JOIN (
    SELECT
        model_id,
        count(*)                    AS collection
    FROM counted_item
    WHERE {every_key} OR model_id = ANY ({models})
    GROUP BY model_id
) AS item ON item.model_id = model.id AND NOT model.excluded;
