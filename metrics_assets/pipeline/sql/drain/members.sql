-- For each (entity, member) that a taken row touches: every row of the source that could make the member count,
-- before and after. Rows that nobody changed count on both sides; they are found by the source's own index.
-- Reads {image}, {later}, {table}; writes {member}.
CREATE TEMP TABLE {member} ON COMMIT DROP AS
WITH touched AS (
    SELECT DISTINCT {entity_id} AS touched_entity, {distinct_by} AS touched_member
    FROM {image}
    WHERE {entity_id} IS NOT NULL
)
SELECT i.side, {i_columns} FROM {image} i
UNION ALL
SELECT both_sides.side, {s_columns}
FROM touched
JOIN {table} s ON s.{entity_id} = touched_entity AND s.{distinct_by} = touched_member
CROSS JOIN (VALUES (-1), (1)) AS both_sides (side)
WHERE NOT EXISTS (SELECT FROM {image} i WHERE {i_is_s})
  AND NOT EXISTS (SELECT FROM {later} l WHERE {l_is_s})
  AND NOT EXISTS (SELECT FROM metrics.rejected r WHERE r.source = {source} AND r.source_key = {s_key_text})
UNION ALL
SELECT both_sides.side, {l_columns}
FROM touched
JOIN {later} l ON l.{entity_id} = touched_entity AND l.{distinct_by} = touched_member
CROSS JOIN (VALUES (-1), (1)) AS both_sides (side)
