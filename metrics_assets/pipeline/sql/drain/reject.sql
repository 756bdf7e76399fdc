-- Rows that cannot be counted where they lie: createdAt more than a day ahead. They are kept and count when due.
-- A row rejected earlier has counted nowhere, so it has no image before. A key has two images after where a TRUNCATE came
-- between; which of them is there, the recount that it asks for says (recount/reject_anew.sql).
-- Reads {image}; writes metrics.rejected and {image}.
WITH known AS (
    DELETE FROM metrics.rejected r
    USING (SELECT DISTINCT {key_text} AS source_key FROM {image}) taken
    WHERE r.source = {source} AND r.source_key = taken.source_key
    RETURNING r.source_key
)
DELETE FROM {image} USING known WHERE side = -1 AND {key_text} = known.source_key;

INSERT INTO metrics.rejected (source, source_key, reason, value, due_at)
SELECT DISTINCT ON ({key_text})
       {source}, {key_text}, 'createdAt is more than a day ahead', to_jsonb(i) - 'side', {created_at} - interval '1 day'
FROM {image} i
WHERE side = 1 AND {uncountable}
ORDER BY {key_text};

DELETE FROM {image} WHERE side >= 0 AND {uncountable};
