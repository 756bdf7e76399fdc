-- Keys just taken whose row would contradict the versions: one although no version of the pair is Published, or none although
-- one is. Of very many keys, those without a row and as many others as are asked for. A model with a change of a version on
-- its way is left out. Reads {work}, "Model", "ModelVersion", by their indexes, outbox_model_version.
SELECT w."modelId", w."baseModel", w.alive
FROM (SELECT "modelId", "baseModel", alive FROM {work} ORDER BY alive LIMIT {most}) w
LEFT JOIN "Model" m ON m.id = w."modelId"
-- by key: an EXISTS would be hashed over the whole table
LEFT JOIN LATERAL (
    SELECT v.id FROM "ModelVersion" v
    WHERE v."modelId" = w."modelId" AND v."baseModel"::text = w."baseModel" AND v.status::text = 'Published'
    LIMIT 1
) v ON TRUE
WHERE w.alive <> (m.id IS NOT NULL AND v.id IS NOT NULL)
  AND NOT EXISTS (SELECT FROM metrics.outbox_model_version o WHERE w."modelId" IN (o."old_modelId", o."new_modelId"))
