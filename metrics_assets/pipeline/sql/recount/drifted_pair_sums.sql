-- Models with a pair that sums something else than its versions' totals. Reads base_model_total, and what pair_sums.sql does;
-- writes drifted.
INSERT INTO drifted (entity_type, entity_id)
SELECT DISTINCT 'Model'::metrics.entity_type, p.model_id
FROM ({pair_sums}) n
JOIN metrics.base_model_total p ON p.model_id = n.model_id AND p.base_model = n.base_model
WHERE ({old}) IS DISTINCT FROM ({new})
