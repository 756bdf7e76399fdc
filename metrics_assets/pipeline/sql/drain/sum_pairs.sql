-- What pairs sum of their Published versions becomes what these say. Reads what recount/pair_sums.sql does; writes
-- base_model_total.
UPDATE metrics.base_model_total p
SET {summed}
FROM ({pair_sums}) n
WHERE p.model_id = n.model_id AND p.base_model = n.base_model AND ({old}) IS DISTINCT FROM ({new})
