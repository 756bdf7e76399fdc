-- For each (entity, member) that a taken row touches: every row of the source that could make the member count,
-- before and after. Rows that nobody changed count on both sides; they are found by the source's own index, however many they
-- are, into a table of their own: what follows is planned by how many there are.
-- Reads {image}, {later}, {table}, metrics.rejected, excluded_user; writes {near}, {member}.
SET LOCAL enable_hashjoin = off;

SET LOCAL enable_mergejoin = off;

CREATE TEMP TABLE {near} ON COMMIT DROP AS
SELECT {s_columns}
FROM (
    SELECT DISTINCT {entity_id} AS touched_entity, {distinct_by} AS touched_member
    FROM {image}
    WHERE {entity_id} IS NOT NULL
    ORDER BY 1, 2  -- as in the index: neighbours lie on one page
) touched
JOIN {table} s ON s.{entity_id} = touched_entity AND s.{distinct_by} = touched_member;

SET LOCAL enable_hashjoin TO DEFAULT;

SET LOCAL enable_mergejoin TO DEFAULT;

SET LOCAL enable_nestloop = off;

CREATE TEMP TABLE {member} ON COMMIT DROP AS
SELECT i.side, {i_columns} FROM {image} i
UNION ALL
SELECT unnest('{{-1,1}}'::smallint[]), {s_columns}
FROM {near} s
WHERE NOT EXISTS (SELECT FROM {image} i WHERE {i_is_s})
  AND NOT EXISTS (SELECT FROM {later} l WHERE {l_is_s})
  AND {s_admitted}
UNION ALL
SELECT unnest('{{-1,1}}'::smallint[]), {l_columns}
FROM {later} l
WHERE EXISTS (SELECT FROM {image} i WHERE i.{entity_id} = l.{entity_id} AND i.{distinct_by} = l.{distinct_by});

SET LOCAL enable_nestloop TO DEFAULT;
