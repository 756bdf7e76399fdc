-- base_model_metrics shows the thumbs of this tick from now on. Reads {work}; writes pair_shown, dirty_key.
WITH gone AS (
    DELETE FROM metrics.pair_shown s USING {work} w
    WHERE s.model_id = w."modelId" AND s.base_model = w."baseModel" AND NOT w.alive
    RETURNING s.model_id, s.base_model
), shown AS (
    INSERT INTO metrics.pair_shown AS s (model_id, base_model, thumbs_up, thumbs_down)
    SELECT "modelId", "baseModel", "thumbsUpCount", "thumbsDownCount" FROM {work} WHERE alive ORDER BY 1, 2
    ON CONFLICT (model_id, base_model) DO UPDATE SET (thumbs_up, thumbs_down) = ROW (excluded.thumbs_up, excluded.thumbs_down)
        WHERE (s.thumbs_up, s.thumbs_down) IS DISTINCT FROM (excluded.thumbs_up, excluded.thumbs_down)
    RETURNING s.model_id, s.base_model
)
INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, base_model, batch)
SELECT 'base_model_metrics', 'Model', model_id, base_model, {version}
FROM (SELECT * FROM gone UNION ALL SELECT * FROM shown) moved
