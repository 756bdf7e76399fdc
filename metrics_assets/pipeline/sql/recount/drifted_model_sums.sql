-- Models that sum something else than their versions' totals. Reads model_sum, and what model_sums.sql does; writes drifted.
INSERT INTO drifted (entity_type, entity_id)
SELECT DISTINCT 'Model'::metrics.entity_type, model_id
FROM ({model_sums}) n
FULL JOIN (SELECT * FROM metrics.model_sum s WHERE {sums_in_scope}) s USING (model_id, metric_type)
WHERE coalesce(n.total, 0) <> coalesce(s.total, 0)
