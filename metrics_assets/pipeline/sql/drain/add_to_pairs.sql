-- What a pair sums of its Published versions moves with them. Reads moved_version; writes base_model_total.
UPDATE metrics.base_model_total p
SET {added}
FROM (
    SELECT model_id, base_model, {differences}
    FROM moved_version
    WHERE published AND base_model IS NOT NULL AND metric_type IN ({metrics})
    GROUP BY model_id, base_model
) d
WHERE p.model_id = d.model_id AND p.base_model = d.base_model
