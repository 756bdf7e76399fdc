-- base_model_metrics shows the thumbs of this tick from now on. Reads {work}; writes base_model_total, dirty_key.
WITH shown AS (
    UPDATE metrics.base_model_total p
    SET shown_up = w."thumbsUpCount", shown_down = w."thumbsDownCount"
    FROM {work} w
    WHERE p.model_id = w."modelId" AND p.base_model = w."baseModel"
      AND (p.shown_up, p.shown_down) IS DISTINCT FROM (w."thumbsUpCount", w."thumbsDownCount")
    RETURNING p.model_id, p.base_model
)
INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, base_model, batch)
SELECT 'base_model_metrics', 'Model', model_id, base_model, {version} FROM shown
