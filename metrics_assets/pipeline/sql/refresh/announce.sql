-- Who has to hear of this chunk: ClickHouse totals, Redis hashes, the search index. That is who moved; who is gone, whose
-- row may have gone with it, or with another set's columns; and who has to be announced whether it moved or not. ClickHouse
-- hears all numbers of a row, not those that moved: what the row showed before is no sign of what ClickHouse has. Somebody
-- else may have written it, or it went and came again with zeros in this set's columns.
-- Reads {work}, {written}; writes batch_total, publish_queue, search_queue.
CREATE TEMP TABLE {told} ON COMMIT DROP AS
SELECT w.{key} AS entity_id, NOT w.alive OR c.{key} IS NOT NULL AS changed
FROM {work} w
LEFT JOIN {written} c ON c.{key} = w.{key}
WHERE NOT w.alive OR w.announce OR c.{key} IS NOT NULL;

INSERT INTO metrics.batch_total (batch_id, entity_type, entity_id, metric_types, totals)
SELECT {version}, {entity}, w.{key}, {metric_types},
       CASE WHEN w.alive THEN ARRAY[{counters}] ELSE array_fill(0::bigint, ARRAY[cardinality({metric_types})]) END
FROM {work} w
JOIN {told} t ON t.entity_id = w.{key};

INSERT INTO metrics.publish_queue (entity_type, entity_id, version)
SELECT {entity}, entity_id, {version} FROM {told};

INSERT INTO metrics.search_queue (entity_type, entity_id, reason)
SELECT {entity}, entity_id, {set_name} FROM {told} WHERE changed AND {searched} ORDER BY 1, 2
ON CONFLICT (entity_type, entity_id) DO NOTHING;
