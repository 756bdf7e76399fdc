-- Keys just taken whose row would contradict the versions: one although no version of the pair is Published, or none although
-- one is. A model with a change of a version on its way is left out. Reads {work}, outbox_model_version.
SELECT w."modelId", w."baseModel", w.alive
FROM {work} w
WHERE w.alive <> w.published
  AND NOT EXISTS (SELECT FROM metrics.outbox_model_version o WHERE w."modelId" IN (o."old_modelId", o."new_modelId"))
