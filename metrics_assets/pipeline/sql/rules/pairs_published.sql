-- Keys just taken whose row would contradict the versions: one although no version of the pair is Published, or none although
-- one is. A model with a change of a version on its way is left out. Reads {work}, "Model", "ModelVersion", by the index on
-- "modelId", outbox_model_version.
SELECT w."modelId", w."baseModel", w.alive
FROM {work} w
WHERE w.alive <> (
          EXISTS (SELECT FROM "Model" m WHERE m.id = w."modelId")
          AND EXISTS (SELECT FROM "ModelVersion" v
                      WHERE v."modelId" = w."modelId" AND v."baseModel"::text = w."baseModel"
                        AND v.status::text = 'Published'))
  AND NOT EXISTS (SELECT FROM metrics.outbox_model_version o WHERE w."modelId" IN (o."old_modelId", o."new_modelId"))
